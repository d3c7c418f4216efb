/** The Temporal namespaces whose runs use a store: `servers/<id>` has the last known address of each. */
import type { StoreServer } from './store.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether the name of a file or object is a namespace's id. Other files may be beside them. */
export const isServerId = (entry: string) => ID.test(entry);

/** @param text may be missing, after a full disk for example: the server still counts */
export const serverOf = (id: string, text = ''): StoreServer => ({ id, place: text || 'an unknown address' });
