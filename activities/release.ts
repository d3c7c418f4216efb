/** release: publishes the policy that a run ends with as the next version of the run's name. */
import type { Address } from '../artifacts/manifest.ts';
import { checkName, parsePolicyName } from '../artifacts/names.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { inTurns } from '../data/in-turns.ts';
import { defineStep, type Activity } from './step.ts';

/** A version of a name: a policy and its origin. */
export interface Release {
  policy: Address;
  /** The held-out prompts that it was evaluated on. */
  heldOut: Address;
  /** The prompts of the run's rounds. */
  prompts: Address[];
  /** The evaluations of all rounds, including rolled-back ones, for `selm verify` and `selm report`. */
  evaluations: Address[];
  /** The results of benchmarks, for `selm verify` and `selm report`. Absent in releases of runs without benchmarks. */
  benchmarks?: Address[];
  /** The release that the run started from. */
  previous?: Address;
  /** The run, its configuration and its results. */
  lineage: object;
}

export interface ReleaseInput extends Release {
  name: string;
}

const RELEASE = 'release.json';

/** The artifact of a release: a copy of its input. Recording the same release again gives the same version. */
export const recordRelease = defineStep({
  name: 'release',
  kind: 'release',
  reproducible: false,
  recipe: ({ name, policy, heldOut, prompts, evaluations, benchmarks, previous, lineage }: ReleaseInput) => ({
    parameters: { name, lineage },
    inputs: { policy, heldOut, prompts, evaluations, ...(benchmarks && { benchmarks }), ...(previous && { previous }) },
    seed: 0,
  }),
  run: async (_recipe, { input: { name: _name, ...made }, folder }) => {
    await folder.writeText(RELEASE, JSON.stringify(made));
    return {};
  },
});

/**
 * Records a release and makes it the next version of the run's name.
 * @returns the version, counted from 1
 * @throws InputError when the name is not valid
 */
export const release: Activity<ReleaseInput, { version: number }> = async (context, input, options) => {
  checkName(input.name);
  const { address } = await recordRelease(context, input, options);
  return { version: await context.store.publishName(input.name, address) };
};

async function readRelease(store: ReadableStore, address: Address): Promise<Release> {
  return JSON.parse(await store.readText(address, RELEASE)) as Release;
}

/** A release with its name and version. */
export interface NamedRelease {
  name: string;
  version: number;
  address: Address;
  release: Release;
}

/** All versions of all names, or of one. */
export async function listReleases(store: ReadableStore, name?: string): Promise<NamedRelease[]> {
  const names = (await store.listNames()).filter((entry) => name === undefined || entry.name === name);
  return inTurns(names, async (entry) => ({ ...entry, release: await readRelease(store, entry.address) }));
}

/** @throws InputError when there is no such name or version */
export async function findRelease(store: ReadableStore, text: string): Promise<Release> {
  const { name, version } = parsePolicyName(text);
  const address = await store.resolveName(name, version);
  if (!address) throw new InputError(`There is no policy "${text}": selm policies lists what there is.`);
  return readRelease(store, address);
}

/** All releases of a name, latest first. Empty if the name has no version. */
export async function releasesOf(
  store: ReadableStore,
  name: string,
): Promise<{ address: Address; release: Release }[]> {
  const releases = [];
  let next = await store.resolveName(name, 'latest');
  while (next) {
    const found = await readRelease(store, next);
    releases.push({ address: next, release: found });
    next = found.previous;
  }
  return releases;
}
