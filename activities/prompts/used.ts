/** The prompts that earlier runs have trained on, from their releases. */
import type { ArtifactStore } from '../../artifacts/store.ts';
import { inTurns } from '../../data/in-turns.ts';
import type { StoredRelease } from '../release.ts';
import { storedPrompts, type StoredPrompts } from './stored.ts';

/** Opens the prompts of the rounds of releases, rolled-back rounds included. */
export const usedPrompts = (store: ArtifactStore, releases: StoredRelease[]): Promise<StoredPrompts[]> =>
  inTurns([...new Set(releases.flatMap(({ release }) => release.prompts))], (set) => storedPrompts(store, set));
