/** Steps: functions from artifacts, parameters and a seed to one artifact. The result of a step key is computed once. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stepKey, type Address, type Recipe, type StepKey } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { ComputeSettings } from '../engine/protocol/compute.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';
import { selmVersion } from '../engine/version.ts';
import type { VllmHost } from '../engine/vllm/host.ts';
import { StepFolder } from './step-folder.ts';

/** The context of a worker's steps: store, engine and folders. */
export interface StepContext {
  store: ArtifactStore;
  engine: Engine;
  /** The worker's own vLLM, for `sample.backend: vllm`. Absent where no step samples. */
  vllm?: Pick<VllmHost, 'version' | 'serve'>;
  /** Counts what `sample` does, whatever samples. Absent where nothing is measured. */
  countTokens?: (metric: 'prompt_tokens' | 'sampled_tokens', tokens: number) => void;
  /** A local folder for data that can be recomputed. */
  cacheFolder: string;
  /** How long a last checkpoint may take when the worker is stopped. Default: no limit. */
  stopSeconds?: number;
}

/** A function that workflows call through Temporal. `options` reports progress and cancels it. */
export type Activity<Input, Output> = (context: StepContext, input: Input, options: CallOptions) => Promise<Output>;

/** The result of a step. */
export interface StepResult<Summary> {
  address: Address;
  /** Whether the artifact was cached: nothing was computed. */
  reused: boolean;
  /** Numbers about the artifact that the workflow needs. */
  summary: Summary;
}

/** The part of a recipe that varies between calls of a step. */
export type StepRecipe = Pick<Recipe, 'parameters' | 'inputs' | 'seed'>;

/** The arguments of a step's `run` besides its recipe. */
interface StepWork {
  context: StepContext;
  /** The folder for the artifact's files. Files and summary must not depend on time or on the machine. */
  folder: StepFolder;
  key: StepKey;
  options: CallOptions;
}

/** The common part of all step definitions. `Made` is the type of the step's recipes. */
interface AnyStep<Input, Made extends StepRecipe> {
  /** The step's name in recipes, and the activity's name if the step is an activity. */
  name: string;
  /** The artifact's kind, in its manifest. */
  kind: string;
  /** Everything in the input that the artifact depends on. */
  recipe(input: Input, context: StepContext): Made | Promise<Made>;
}

/** A step whose artifact is a function of the recipe. */
interface ReproducibleStep<Input, Made extends StepRecipe, Summary> extends AnyStep<Input, Made> {
  reproducible: true;
  /**
   * The settings with which the engine computes the step; what computes with them (`Engine.version`) is part of the key. Undefined if
   * the engine does not compute it.
   */
  computedWith: (recipe: Made) => ComputeSettings | undefined;
  /** @param work use its `input` only for settings that do not change the artifact. Absent when `selm verify` recomputes the step */
  run(recipe: Made, work: StepWork & { input?: Input }): Promise<Summary>;
}

/** A step whose artifact selm does not compute: an import, a server's samples, a run's results. */
interface IrreproducibleStep<Input, Made extends StepRecipe, Summary> extends AnyStep<Input, Made> {
  reproducible: false;
  run(recipe: Made, work: StepWork & { input: Input }): Promise<Summary>;
}

type StepDefinition<Input, Made extends StepRecipe, Summary> =
  ReproducibleStep<Input, Made, Summary> | IrreproducibleStep<Input, Made, Summary>;

/** A step that Temporal can run as an activity. */
export interface Step<Input, Summary> extends Activity<Input, StepResult<Summary>> {
  readonly stepName: string;
  /** The recipe for an input. Its hash is the step key. */
  recipeFor(context: StepContext, input: Input): Promise<Recipe>;
  /** Reads the summary from one of the step's artifacts. */
  readSummary(store: ArtifactStore, address: Address): Promise<Summary>;
  /**
   * Computes an artifact again from its stored recipe. Undefined for a step that is not reproducible.
   * @returns its address: the same as before if all bytes are the same
   */
  recompute?(context: StepContext, recipe: Recipe, options: CallOptions): Promise<Address>;
}

/**
 * Defines a step: its activity, its key and its recomputation.
 * @example
 * export const count = defineStep({
 *   name: 'count',
 *   kind: 'count',
 *   reproducible: true,
 *   recipe: ({ prompts, longest }: CountInput) => ({ inputs: { prompts }, parameters: { longest }, seed: 0 }),
 *   computedWith: () => undefined,
 *   run: async ({ inputs, parameters }, { context, folder }) => {
 *     const file = join(await context.store.open(inputs.prompts), PROMPTS);
 *     …
 *     await folder.writeRows('counts.jsonl', rows);
 *     return { rows: rows.length };
 *   },
 * });
 */
export function defineStep<Input, Made extends StepRecipe, Summary>(
  definition: StepDefinition<Input, Made, Summary>,
): Step<Input, Summary> {
  const { name, kind } = definition;
  const recipeFor = async (context: StepContext, input: Input) => {
    const made = await definition.recipe(input, context);
    return { step: name, ...made, ...(await versions(definition, made, context)) };
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

/** The versions in a step key: those that the artifact's bytes depend on. */
async function versions<Made extends StepRecipe>(
  definition: StepDefinition<never, Made, unknown>,
  made: Made,
  { engine }: StepContext,
): Promise<Pick<Recipe, 'selm' | 'backend'>> {
  if (!definition.reproducible) return {};
  const settings = definition.computedWith(made);
  return { selm: selmVersion, ...(settings && { backend: await engine.version(settings) }) };
}

const SUMMARY = 'summary.json';

/** Returns the cached artifact of a recipe, or creates one with the files that `fill` writes and the summary that it returns. */
async function findOrCreate(
  store: ArtifactStore,
  kind: string,
  recipe: Recipe,
  fill: (folder: StepFolder, key: StepKey) => Promise<unknown>,
): Promise<{ address: Address; reused: boolean }> {
  const key = stepKey(recipe);
  const known = await store.find(key);
  if (known !== undefined) return { address: known, reused: true };
  const address = await store.create(kind, recipe, async (path) => {
    const folder = new StepFolder(path);
    const summary = await fill(folder, key);
    await folder.writeText(SUMMARY, `${JSON.stringify(summary, null, 2)}\n`);
  });
  return { address, reused: false };
}

async function readSummary<Summary>(store: ArtifactStore, address: Address): Promise<Summary> {
  return JSON.parse(await readFile(join(await store.open(address), SUMMARY), 'utf8')) as Summary;
}
