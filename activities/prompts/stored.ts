/** Sets of prompts in the store. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { canonicalJson } from '../../artifacts/hash.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { PromptRecord } from '../../data/records.ts';
import { defineStep } from '../step.ts';

/** The file name of the prompts in their artifact. */
export const PROMPTS = 'prompts.jsonl';

interface ImportInput {
  count: number;
  /** Iterates over the prompts. Each call starts with the first one. */
  records: () => Iterable<PromptRecord>;
}

/** Stores a set of prompts as an artifact. The step key depends on the content of the prompts. */
export const importPrompts = defineStep({
  name: 'import-prompts',
  kind: 'prompts',
  reproducible: false,
  recipe: async ({ records }: ImportInput) => ({
    parameters: { sha256: await hashOf(records()) },
    inputs: {},
    seed: 0,
  }),
  run: async (_recipe, { input: { count, records }, folder }) => {
    await folder.writeRows(PROMPTS, records);
    return { count };
  },
});

/** SHA-256 of all records, as canonical JSON lines. */
async function hashOf(records: Iterable<PromptRecord>): Promise<string> {
  const hash = createHash('sha256');
  let hashed = 0;
  for (const record of records) {
    hash.update(`${canonicalJson(record)}\n`);
    // Yields to the event loop, so that the worker can send heartbeats while it reads many prompts.
    if (++hashed % 1000 === 0) await setImmediate();
  }
  return hash.digest('hex');
}

/** A set of prompts in the store, as a file. */
export interface StoredPrompts {
  file: string;
  /** Name of the set, for messages. */
  name: string;
  count: number;
}

/** Opens a set of prompts. @param set the address of the set's artifact */
export async function storedPrompts(store: ArtifactStore, set: Address): Promise<StoredPrompts> {
  const { count } = await importPrompts.readSummary(store, set);
  return { file: join(await store.open(set), PROMPTS), name: `the stored prompts ${set.slice(0, 12)}`, count };
}
