/** Forwards what artifacts/ imports to data/hub/. */
export { isOnHub, pinModel, resolveModel, snapshotOf } from './hub/models.ts';
export { HUB_MODEL_FILES as MODEL_FILE } from './model-files.ts';
