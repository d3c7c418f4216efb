/** Forwards what artifacts/ imports to data/hub/. */
export { isOnHub, MODEL_FILE, pinModel, resolveModel, snapshotOf } from './hub/models.ts';
