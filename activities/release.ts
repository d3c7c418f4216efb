/** release: the policy that a run ends with becomes the next version of the run's name. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { runStep, type Rooms, type Step } from './step.ts';

/** A version of a name: a policy, and where it is from. */
export interface Release {
  policy: Address;
  /** The prompts of its rounds. */
  prompts: Address[];
  /** The release that its run started from. */
  previous?: Address;
  /** The run's configuration and results. */
  lineage: object;
}

export interface ReleaseInput extends Release {
  name: string;
}

const RELEASE = 'release.json';

export const release: Step<ReleaseInput, { version: number }> = async (rooms, { name, ...made }) => {
  const { policy, prompts, previous, lineage } = made;
  const inputs = { policy, prompts, ...(previous && { previous }) };
  const recipe = { step: 'release', parameters: { name, lineage }, inputs, seed: 0 };
  const { address } = await runStep(rooms, 'release', recipe, async (folder) => {
    await writeFile(join(folder, RELEASE), JSON.stringify(made));
    return {};
  });
  return { version: await rooms.store.publishName(name, address) };
};

export async function readRelease(store: ArtifactStore, address: Address): Promise<Release> {
  return JSON.parse(await readFile(join(await store.open(address), RELEASE), 'utf8')) as Release;
}

/** A name's last release with those it goes back on, the last one first; none where the name has no version yet. */
export async function releasesOf({ store }: Rooms, name: string): Promise<{ address: Address; release: Release }[]> {
  const releases = [];
  let next = await store.resolveName(name, 'latest');
  while (next) {
    const found = await readRelease(store, next);
    releases.push({ address: next, release: found });
    next = found.previous;
  }
  return releases;
}
