/** release: publishes the policy that a run ends with as the next version of the run's name. */
import { existsSync } from 'node:fs';
import type { Address } from '../artifacts/manifest.ts';
import { checkName, isPolicyName, parsePolicyName } from '../artifacts/names.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { publishedPolicy } from '../config/output-folder.ts';
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

/** A release with its address. */
export type StoredRelease = Pick<NamedRelease, 'address' | 'release'>;

/** All releases of a name and those that its first run started from, latest first. Empty if the name has no version. */
export const releasesOf = async (store: ReadableStore, name: string): Promise<StoredRelease[]> =>
  withPrevious(store, await store.resolveName(name, 'latest'));

/** A policy as it is given to a run or a command: a folder, a hub id, or NAME@version. */
interface GivenPolicy {
  model: string;
  adapter?: string | undefined;
}

/** Whether the given policy, or its model, is a released version or the output folder of a run. */
export async function isFromRun({ model, adapter }: GivenPolicy): Promise<boolean> {
  const origins = await Promise.all([adapter, model].map((given) => given !== undefined && originOf(given)));
  return origins.some(Boolean);
}

/**
 * The release of the given policy and the releases before it, latest first. Empty if the policy comes from no run, or if the store does not
 * have its release.
 */
export async function releasesBehind(store: ReadableStore, { model, adapter }: GivenPolicy): Promise<StoredRelease[]> {
  for (const given of [adapter, model]) {
    const origin = given === undefined ? undefined : await originOf(given);
    if (!origin) continue;
    const address =
      'name' in origin
        ? await store.resolveName(origin.name, origin.version)
        : (await listReleases(store)).find(({ release }) => release.policy === origin.policy)?.address;
    if (address) return withPrevious(store, address);
  }
  return [];
}

async function originOf(given: string): Promise<ReturnType<typeof parsePolicyName> | { policy: unknown } | undefined> {
  if (!existsSync(given)) return isPolicyName(given) ? parsePolicyName(given) : undefined;
  const policy = await publishedPolicy(given);
  return policy === undefined ? undefined : { policy };
}

async function withPrevious(store: ReadableStore, first: Address | undefined): Promise<StoredRelease[]> {
  const releases = [];
  let next = first;
  while (next) {
    const found = await readRelease(store, next);
    releases.push({ address: next, release: found });
    next = found.previous;
  }
  return releases;
}
