/** Recomputation of stored steps: the same recipe must give the same address. */
import { versionsOf, type Address, type Manifest, type Recipe } from '../artifacts/manifest.ts';
import { LocalStore } from '../artifacts/local-store.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { ComputeSettings } from '../engine/protocol/compute.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { selmVersion } from '../engine/version.ts';
import type { LabelSettings } from '../labelers/index.ts';
import { scoresOnServer } from '../labelers/needs.ts';
import { BENCHMARK_STEPS } from './benchmarks/index.ts';
import { divergence } from './divergence.ts';
import { evaluate } from './evaluate.ts';
import { label, labelHeldOut } from './label.ts';
import { optimize } from './optimize.ts';
import { selectQuestions } from './people/ask.ts';
import { scoreCandidates } from './people/candidates.ts';
import { storeGuidance } from './people/guidance.ts';
import { storeLateVotes } from './people/late-votes.ts';
import { storeVotes } from './people/store-votes.ts';
import { tally } from './people/tally.ts';
import { storeImported } from './policy.ts';
import { prefer } from './prefer.ts';
import { importPrompts } from './prompts/stored.ts';
import { referenceByEngine, referenceByServer } from './reference.ts';
import { recordRelease } from './release.ts';
import { sampleByEngine, sampleByServer, sampleByVllm } from './sample.ts';
import type { Step, StepContext } from './step.ts';

/** All steps that produce artifacts. */
export const STEPS: Step<never, unknown>[] = [
  storeImported,
  importPrompts,
  sampleByEngine,
  sampleByServer,
  sampleByVllm,
  label,
  labelHeldOut,
  scoreCandidates,
  selectQuestions,
  storeGuidance,
  tally,
  storeLateVotes,
  prefer,
  referenceByEngine,
  referenceByServer,
  optimize,
  divergence,
  evaluate,
  ...BENCHMARK_STEPS,
  recordRelease,
];

const reproducible = new Map(STEPS.filter(({ recompute }) => recompute).map((step) => [step.stepName, step]));

/** Names of the reproducible steps. `sample` is reproducible only if the engine samples. */
export const REPRODUCIBLE = [...reproducible.keys()];

/** Why an artifact cannot be recomputed, such as 'sampled by a server'. Undefined if it can be. */
export async function whyNotRecomputed(
  recipe: Recipe,
  { engine }: Pick<StepContext, 'engine'>,
): Promise<string | undefined> {
  if (recipe.engineVersion !== undefined) return `computed by an earlier version (${recipe.engineVersion})`;
  if (recipe.selm === undefined) return whyNotReproducible(recipe);
  const { label: labeler, judge } = recipe.parameters as { label?: LabelSettings; judge?: { server?: string } };
  if ((labeler && scoresOnServer(labeler)) || judge?.server !== undefined) return 'scored by a server';
  const backend = recipe.backend === undefined ? undefined : await engine.version(recipe.parameters as ComputeSettings);
  const here = { ...recipe, selm: selmVersion, ...(backend !== undefined && { backend }) };
  return versionsOf(recipe) === versionsOf(here) ? undefined : `computed by ${versionsOf(recipe)}`;
}

function whyNotReproducible({ step, parameters }: Recipe): string {
  if (step === 'reference') return 'computed by a server';
  if (step === storeVotes.stepName || step === storeLateVotes.stepName) return 'given by people';
  if (step.startsWith('benchmark-')) return 'measured by another program';
  if (step !== 'sample') return 'imported';
  return 'vllm' in (parameters as object) ? 'sampled by vLLM, which is not reproducible' : 'sampled by a server';
}

/**
 * Computes a step again without its cached artifact. Does not change the store.
 * @param manifest of an artifact for which `whyNotRecomputed` gives no reason
 * @param scratch a folder for the new artifact
 * @returns the address of the new artifact
 * @throws InputError when files that the step depends on have changed
 */
export async function recompute(
  context: StepContext,
  { recipe }: Manifest,
  scratch: string,
  options: CallOptions = {},
): Promise<Address> {
  const { recompute: again } = reproducible.get(recipe.step) ?? {};
  if (!again) throw new Error(`Step ${recipe.step} is not reproducible.`);
  return again({ ...context, store: overlay(context.store, scratch) }, recipe, options);
}

/** A store without cached artifacts. It reads from `below` and writes to a separate folder. */
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
  };
  return Object.assign(Object.create(below) as ArtifactStore, changed);
}

export interface StoredStep {
  address: Address;
  manifest: Manifest;
}

/** All artifacts that the given ones were computed from, and the given ones, in topological order: inputs first. */
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
