/** The artifact store that this machine's environment names. */
import { resolve, join } from 'node:path';
import { LocalStore } from '../artifacts/local-store.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { homeFolder } from './places.ts';

/** SELM_STORE, else a folder in the home folder. */
export function openStore(): ArtifactStore {
  return new LocalStore(resolve(process.env['SELM_STORE'] ?? join(homeFolder(), 'artifacts')));
}
