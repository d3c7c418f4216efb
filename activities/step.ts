/** What a step is: a function from artifacts to one artifact, done once. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { patiently } from '../artifacts/files.ts';
import { stepKey, type Address, type Recipe, type StepKey } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';
import { engineVersion } from '../engine/version.ts';

/** What steps work with. */
export interface Rooms {
  store: ArtifactStore;
  engine: Engine;
  /** Of this machine: what is worth keeping, and can be lost. */
  cacheFolder: string;
}

/** A finished step: its artifact, and the small numbers it tells of itself. */
export interface StepResult<Summary> {
  address: Address;
  /** Whether the artifact was there already: nothing was computed. */
  reused: boolean;
  summary: Summary;
}

const SUMMARY = 'summary.json';

/**
 * Makes the artifact of a recipe, or finds it made.
 * @param fill writes the artifact's files and returns its summary, which is kept with them; nothing in either may depend on
 *   time, or the same step would not make the same artifact
 */
export async function runStep<Summary>(
  { store }: Pick<Rooms, 'store'>,
  kind: string,
  recipe: Omit<Recipe, 'engineVersion'>,
  fill: (folder: string, key: StepKey) => Promise<Summary>,
): Promise<StepResult<Summary>> {
  const whole = { ...recipe, engineVersion };
  const key = stepKey(whole);
  const known = await store.find(key);
  const address =
    known ??
    (await store.create(kind, whole, async (folder) => {
      const summary = await fill(folder, key);
      await patiently(() => writeFile(join(folder, SUMMARY), `${JSON.stringify(summary, null, 2)}\n`));
    }));
  return { address, reused: known !== undefined, summary: await readSummary(store, address) };
}

/** What a finished step tells of itself. */
export async function readSummary<Summary>(store: ArtifactStore, address: Address): Promise<Summary> {
  return JSON.parse(await readFile(join(await store.open(address), SUMMARY), 'utf8')) as Summary;
}

/** A step as the workflows call it, with its progress and its end in the caller's hands. */
export type Step<Input, Output> = (rooms: Rooms, input: Input, options: CallOptions) => Promise<Output>;
