/** Forwards what artifacts/ imports to data/hub/. */
export { makeRoom } from './hub/cache.ts';
