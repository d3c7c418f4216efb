/** The tasks of the study: start policies, prompts, settings, and what the page says about them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../config/load.ts';
import type { RunConfig } from '../../config/run.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { StepContext } from '../../activities/step.ts';
import { InputError } from '../../data/errors.ts';
import { prepareQuickstart, type Prepared } from '../../examples/quickstart/prepare.ts';
import { METHODS } from './methods.ts';
import { CAREFUL_SHARES, PASSING, passOrFail, prepareRare, rareInstructions } from './rare.ts';
import { inOrder } from './rounds.ts';

/** What a run of a task differs in. */
interface RunChoice {
  seed: number;
  rounds: number;
  promptsPerRound: number;
  threads: number;
}

/** A task, ready to run. */
export interface Setup {
  /** Number of held-out prompts. */
  heldOut: number;
  /** The task's configuration, with any objective. */
  configOf(choice: RunChoice): RunConfig;
}

/** A task of the study. */
export interface Task {
  name: string;
  title: string;
  /** Whether its model has only a million parameters. */
  isSmall: boolean;
  /** What it is, as Markdown. */
  about: string;
  /** Defaults of the flags. */
  seeds: number;
  methods: string[];
  promptsPerRound: number;
  /** Whether each round's KL divergence is measured, besides that of the last round on fresh responses. */
  klByRound: boolean;
  /** Number of held-out prompts with fresh responses. */
  freshPrompts: number;
  /** Whether intervals of strict pass rates are over prompts instead of seeds: for a few seeds and many prompts. */
  byPrompt?: boolean;
  /** @param folder where the start model and the prompts are made @param model in place of the task's */
  prepare(folder: string, model?: string): Promise<Setup>;
  /** Labels that preferences are made from, of the verifier's labels of a round. Default: these. */
  pairLabels?: (context: StepContext, labels: Address[]) => Promise<Address[]>;
}

const example = (path: string) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
const all = METHODS.map(({ name }) => name);

/** A configuration of the quickstart, with changes of its sections. */
const quickstartConfig =
  ({ model, train, heldOut }: Prepared, changes: { sample?: object; optimize?: object } = {}) =>
  ({ promptsPerRound, ...choice }: RunChoice): RunConfig => {
    const prompts = { train, heldOut, perRound: promptsPerRound, tooLong: 'drop' as const };
    const config = loadConfig(example('quickstart/config.yaml'), { model, prompts, ...choice });
    return {
      ...config,
      sample: { ...config.sample, ...changes.sample },
      optimize: { ...config.optimize, ...changes.optimize },
    };
  };

/** A share as whole percent. */
const percentOf = (share: number) => Math.round(100 * share);

const linesOf = (file: string) => readFileSync(file, 'utf8').trim().split('\n').length;

const quickstart: Task = {
  name: 'quickstart',
  title: 'The quickstart',
  isSmall: true,
  about: `The [quickstart](../examples/quickstart)'s model and prompts: instructions such as _List four colors joined by dashes._, a start
policy with a million parameters that ignores most of them, and a program that scores a response by the share of the constraints
that it follows. Four responses per prompt, sampled at temperature 1; the best one is chosen, the worst one rejected. Training
takes one epoch with the quickstart's optimizer settings (all weights, learning rate 1e-4, batches of 32).`,
  seeds: 10,
  methods: all,
  promptsPerRound: 1000,
  klByRound: true,
  freshPrompts: 100,
  async prepare(folder) {
    const prepared = await prepareQuickstart(folder);
    return { heldOut: linesOf(prepared.heldOut), configOf: quickstartConfig(prepared) };
  },
};

const rare: Task = {
  name: 'rare',
  title: 'A rare behavior',
  isSmall: true,
  about: `The quickstart's instructions that ask neither for three things nor for commas (${rareInstructions().training.length} for
training). The start model is made as the quickstart's, but fewer of its demonstrations follow the instruction; all others list
three things with commas, which is now always wrong. The share that follows it (20 % in the quickstart) is the first of
${CAREFUL_SHARES.map(percentOf).join(', ')} % with which about 1 of 100 responses of the start policy to training prompts (at least
${(100 * PASSING).toFixed(1)} %), sampled at temperature 1, follows the instruction. This rule replaced a share of 7 % for all machines, with which
0.7 % of the responses passed on one machine and 0.2 % on another, where dpo and selm then stayed at a strict pass rate of 0.0 %. Nothing
else was changed, and no method had been run with the start policy that the rule gives. A response scores 1 if it follows all constraints and 0 otherwise: there is no partial credit. Eight responses per prompt; a prompt gives a preference only if one of them passes.
Since there are few preferences, training takes three epochs in batches of 8; the other settings are the quickstart's.`,
  seeds: 10,
  methods: all,
  promptsPerRound: 1000,
  klByRound: true,
  freshPrompts: 200,
  async prepare(folder) {
    const prepared = await prepareRare(folder);
    const changes = { sample: { samplesPerPrompt: 8 }, optimize: { batchSize: 8, epochs: 3 } };
    return { heldOut: linesOf(prepared.heldOut), configOf: quickstartConfig(prepared, changes) };
  },
  pairLabels: (context, labels) => inOrder(labels, (shard) => passOrFail(context, { labels: shard }, {})),
};

const smollm2: Task = {
  name: 'smollm2',
  title: 'SmolLM2 on IFEval-style prompts',
  isSmall: false,
  about: `[examples/smollm2-ifeval.yaml](../examples/smollm2-ifeval.yaml): SmolLM2-135M-Instruct with a LoRA adapter, and IFEval's verifier.
All settings but the objective, rounds and prompts per round are the file's.`,
  seeds: 3,
  methods: ['dpo', 'selm-0.001'],
  promptsPerRound: 512,
  klByRound: false,
  freshPrompts: 32,
  byPrompt: true,
  prepare(_folder, model) {
    const file = example('smollm2-ifeval.yaml');
    const { prompts } = loadConfig(file);
    if (typeof prompts.heldOut !== 'string')
      throw new InputError(`${file}: the study needs a file of held-out prompts.`);
    return Promise.resolve({
      heldOut: linesOf(prompts.heldOut),
      configOf: ({ promptsPerRound, ...choice }) => {
        const config = loadConfig(file, { ...choice, ...(model !== undefined && { model }) });
        return { ...config, prompts: { ...config.prompts, perRound: promptsPerRound } };
      },
    });
  },
};

/** All tasks, in the order of the page. */
export const TASKS = [quickstart, rare, smollm2];

/** The task with this name. @throws InputError when there is none */
export function taskOf(name: string): Task {
  const found = TASKS.find((task) => task.name === name);
  if (found) return found;
  throw new InputError(
    `--task: "${name}" is no task of the study; choose among ${TASKS.map((task) => task.name).join(', ')}.`,
  );
}
