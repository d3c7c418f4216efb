/** Steps done again from what their artifacts say of themselves: the same recipe must come to the same address. */
import type { Address, Manifest } from '../artifacts/manifest.ts';
import { LocalStore } from '../artifacts/local-store.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { divergence } from './divergence.ts';
import { evaluate, type OpponentDivergences } from './evaluate.ts';
import { judge, label } from './label.ts';
import { optimize } from './optimize.ts';
import { prefer } from './prefer.ts';
import { reference } from './reference.ts';
import { sample } from './sample.ts';
import type { Rooms, StepResult } from './step.ts';

type Again = (
  rooms: Rooms,
  recipe: Manifest['recipe'],
  options: CallOptions,
) => Promise<Pick<StepResult<unknown>, 'address'>>;

/** A training that is done again writes no checkpoint on the way. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** How the input of a step is made of its recipe. */
const AGAIN: Record<string, Again> = {
  sample: (rooms, recipe, options) => sample(rooms, inputOf(recipe), options),
  divergence: (rooms, recipe, options) => divergence(rooms, inputOf(recipe), options),
  reference: (rooms, recipe, options) => reference(rooms, inputOf(recipe), options),
  optimize: (rooms, recipe, options) => optimize(rooms, { ...inputOf(recipe), checkpointSeconds: NEVER }, options),
  label: (rooms, recipe, options) => label(rooms, inputOf(recipe), options),
  judge: (rooms, recipe, options) => judge(rooms, inputOf(recipe), options),
  prefer: (rooms, recipe, options) => prefer(rooms, inputOf(recipe), options),
  evaluate: (rooms, { inputs, seed }, options) => {
    const { labels, opponent, ...divergences } = inputs as Record<string, Address[]> & OpponentDivergences;
    return evaluate(
      rooms,
      { labels, seed, ...(opponent && { opponent: { labels: opponent, ...divergences } }) },
      options,
    );
  },
};

/** Parameters, artifacts and seed beside each other, as most steps take them. */
function inputOf<Input>({ parameters, inputs, seed }: Manifest['recipe']): Input {
  return { ...(parameters as object), ...inputs, seed } as Input;
}

/** Steps that can be done again. The others bring in what comes from outside. */
export const RECOMPUTABLE = Object.keys(AGAIN);

/**
 * Does a step again, as if its artifact were not there.
 * @param scratch a folder for what comes of it
 * @returns the address of what it came to this time
 */
export async function recompute(
  { store, ...rooms }: Rooms,
  manifest: Manifest,
  scratch: string,
  options: CallOptions = {},
): Promise<Address> {
  const { address } = await AGAIN[manifest.recipe.step](
    { store: overlay(store, scratch), ...rooms },
    manifest.recipe,
    options,
  );
  return address;
}

/** A store in which nothing is known to be done; what is made lies in a folder of its own, what is read in the store below. */
function overlay(below: ArtifactStore, folder: string): ArtifactStore {
  const above = new LocalStore(folder);
  const made = new Set<Address>();
  const changed: Partial<ArtifactStore> = {
    find: async () => undefined,
    create: async (...given) => {
      const address = await above.create(...given);
      made.add(address);
      return address;
    },
    open: (address) => (made.has(address) ? above : below).open(address),
    openCheckpoints: (key) => above.openCheckpoints(key),
    saveCheckpoints: async () => {},
  };
  return Object.assign(Object.create(below) as ArtifactStore, changed);
}

export interface StoredStep {
  address: Address;
  manifest: Manifest;
}

/** The steps that have led to some artifacts, these included, each after those it reads. */
export async function stepsBehind(store: ArtifactStore, addresses: Address[]): Promise<StoredStep[]> {
  const steps = new Map<Address, StoredStep>();
  const visit = async (address: Address): Promise<void> => {
    if (steps.has(address)) return;
    const manifest = await store.manifest(address);
    for (const input of Object.values(manifest.recipe.inputs).flat()) await visit(input);
    steps.set(address, { address, manifest });
  };
  for (const address of addresses) await visit(address);
  return [...steps.values()];
}
