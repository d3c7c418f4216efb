/** The Temporal namespaces whose runs use a store: `servers/<id>` says where each was last found. */
import type { StoreServer } from './store.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a file or an object names a server by its own name: others may leave files there, too. */
export const isServerId = (entry: string) => ID.test(entry);

/** Its text may be gone, after a full disk for example: that there is such a server is what counts. */
export const serverOf = (id: string, text = ''): StoreServer => ({ id, place: text || 'an unknown address' });
