/** Steps: functions from artifacts, parameters and a seed to one artifact, each computed once. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { patiently } from '../artifacts/files.ts';
import { stepKey, type Address, type Recipe, type StepKey } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';
import { selmVersion } from '../engine/version.ts';

/** What activities work with. */
export interface StepContext {
  store: ArtifactStore;
  engine: Engine;
  /** Name and version of the backend behind `engine`, such as `onnxruntime 1.30.0`. In the keys of the steps that it computes. */
  backend: string;
  /** On this machine: for data that is worth keeping and can be lost. */
  cacheFolder: string;
}

/** A function that workflows call, through Temporal. The caller gets its progress and can cancel it by `options`. */
export type Activity<Input, Output> = (context: StepContext, input: Input, options: CallOptions) => Promise<Output>;

export interface StepResult<Summary> {
  address: Address;
  /** Whether the artifact was cached: nothing was computed. */
  reused: boolean;
  /** The few numbers about the artifact that a workflow needs. */
  summary: Summary;
}

/** The part of a recipe that differs between two calls of a step. */
export type StepRecipe = Pick<Recipe, 'parameters' | 'inputs' | 'seed'>;

/** What a step's `run` works with, besides its recipe. */
interface StepWork {
  context: StepContext;
  /** Gets the artifact's files. Nothing in them, nor in the summary, may depend on time or on the machine. */
  folder: string;
  key: StepKey;
  options: CallOptions;
}

/** What all definitions have. `Made` is the type of the step's recipes. */
interface AnyStep<Input, Made extends StepRecipe> {
  /** In recipes; of a step that is an activity, also the activity's name. */
  name: string;
  /** What the artifact is: its manifest's `kind`. */
  kind: string;
  /** What the artifact is computed from: all of the input that changes it. */
  recipe(input: Input, context: StepContext): Made | Promise<Made>;
}

/** Its artifact is a function of the recipe. */
interface ReproducibleStep<Input, Made extends StepRecipe, Summary> extends AnyStep<Input, Made> {
  reproducible: true;
  /** Whether the backend computes it: then the backend's name and version are in the key. */
  usesBackend: boolean | ((recipe: Made) => boolean);
  /** @param work its `input` is for what does not change the artifact, and is absent when `selm verify` recomputes it */
  run(recipe: Made, work: StepWork & { input?: Input }): Promise<Summary>;
}

/** Its artifact holds what selm does not compute: an import, a server's samples, a run's results. */
interface IrreproducibleStep<Input, Made extends StepRecipe, Summary> extends AnyStep<Input, Made> {
  reproducible: false;
  run(recipe: Made, work: StepWork & { input: Input }): Promise<Summary>;
}

type StepDefinition<Input, Made extends StepRecipe, Summary> =
  ReproducibleStep<Input, Made, Summary> | IrreproducibleStep<Input, Made, Summary>;

export interface Step<Input, Summary> extends Activity<Input, StepResult<Summary>> {
  readonly stepName: string;
  /** The recipe for an input. Its hash is the step key. */
  recipeFor(context: StepContext, input: Input): Promise<Recipe>;
  /** The summary in one of the step's artifacts. */
  readSummary(store: ArtifactStore, address: Address): Promise<Summary>;
  /**
   * Computes an artifact again, from its stored recipe alone. Undefined for a step that is not reproducible.
   * @returns its address: the same as before if all bytes are the same
   */
  recompute?(context: StepContext, recipe: Recipe, options: CallOptions): Promise<Address>;
}

/**
 * Defines a step once, for the activity, its key and its recomputation.
 * @example
 * export const count = defineStep({
 *   name: 'count',
 *   kind: 'count',
 *   reproducible: true,
 *   recipe: ({ prompts, longest }: CountInput) => ({ inputs: { prompts }, parameters: { longest }, seed: 0 }),
 *   usesBackend: false,
 *   run: async ({ inputs, parameters }, { context, folder }) => {
 *     const file = join(await context.store.open(inputs.prompts), PROMPTS);
 *     …
 *     return { rows };
 *   },
 * });
 */
export function defineStep<Input, Made extends StepRecipe, Summary>(
  definition: StepDefinition<Input, Made, Summary>,
): Step<Input, Summary> {
  const { name, kind } = definition;
  const recipeFor = async (context: StepContext, input: Input) => {
    const made = await definition.recipe(input, context);
    return { step: name, ...made, ...versions(definition, made, context) };
  };
  const step: Activity<Input, StepResult<Summary>> = async (context, input, options) => {
    const { store } = context;
    const recipe = await recipeFor(context, input);
    const { address, reused } = await findOrCreate(store, kind, recipe, (folder, key) =>
      definition.run(recipe, { context, input, folder, key, options }),
    );
    return { address, reused, summary: await readSummary<Summary>(store, address) };
  };
  return Object.assign(step, {
    stepName: name,
    recipeFor,
    readSummary: (store: ArtifactStore, address: Address) => readSummary<Summary>(store, address),
    ...(definition.reproducible && {
      recompute: async (context: StepContext, recipe: Recipe, options: CallOptions) => {
        // Only this step writes recipes of its name.
        const made = recipe as Recipe & Made;
        const { address } = await findOrCreate(context.store, kind, recipe, (folder, key) =>
          definition.run(made, { context, folder, key, options }),
        );
        return address;
      },
    }),
  });
}

/** The versions in a key: those that the artifact's bytes depend on. */
function versions<Made extends StepRecipe>(
  definition: StepDefinition<never, Made, unknown>,
  made: Made,
  { backend }: StepContext,
): Pick<Recipe, 'selm' | 'backend'> {
  if (!definition.reproducible) return {};
  const { usesBackend } = definition;
  const isUsed = typeof usesBackend === 'function' ? usesBackend(made) : usesBackend;
  return { selm: selmVersion, ...(isUsed && { backend }) };
}

const SUMMARY = 'summary.json';

/** The artifact of a recipe: the cached one, or a new one with the files that `fill` writes and the summary that it returns. */
async function findOrCreate(
  store: ArtifactStore,
  kind: string,
  recipe: Recipe,
  fill: (folder: string, key: StepKey) => Promise<unknown>,
): Promise<{ address: Address; reused: boolean }> {
  const key = stepKey(recipe);
  const known = await store.find(key);
  if (known !== undefined) return { address: known, reused: true };
  const address = await store.create(kind, recipe, async (folder) => {
    const summary = await fill(folder, key);
    await patiently(() => writeFile(join(folder, SUMMARY), `${JSON.stringify(summary, null, 2)}\n`));
  });
  return { address, reused: false };
}

async function readSummary<Summary>(store: ArtifactStore, address: Address): Promise<Summary> {
  return JSON.parse(await readFile(join(await store.open(address), SUMMARY), 'utf8')) as Summary;
}
