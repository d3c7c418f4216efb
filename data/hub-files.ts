/** Forwards what artifacts/ imports to data/hub/. */
export type { HubFile } from './hub/listing.ts';
export { listModelFiles } from './hub/models.ts';
export { readHubFile } from './hub/stream.ts';
