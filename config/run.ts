/** The configuration of a run: its schema, which is also its reference, and how a file of it is read. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { isPolicyName } from '../artifacts/names.ts';
import { InputError } from '../data/errors.ts';
import { readFailure } from '../data/file-errors.ts';
import { isDatasetId, isModelId } from '../data/hub.ts';
import { nameSchema } from '../data/paths.ts';
import { parseYaml } from '../data/yaml.ts';
import { readChatTemplate } from '../engine/tokenizer/chat-template-settings.ts';
import {
  deviceSchema,
  divergenceSchema,
  objectiveSchema,
  Q8_ON_CPU,
  samplingSchema,
  trainingSchema,
} from '../engine/protocol/settings.ts';
import { labelSchema, locateLabeler, roundLabelSchema, type RoundLabelSettings } from '../labelers/index.ts';
import type { Locate } from '../labelers/labeler.ts';
import { samplerSchema } from '../openai/client/sampler-settings.ts';
import { withSettings, type Settings } from './changes.ts';
import { describeProblem } from './problem.ts';

const positiveInt = z.int().positive();
const shardSize = positiveInt.default(256).describe('Prompts per activity; the workers share the shards among them.');

const sampleSchema = samplingSchema.extend({
  shardSize,
  server: samplerSchema
    .optional()
    .describe(
      "A server that samples a round's answers in the engine's stead. It has the run's model, and loads the adapter of each round as vLLM does. Held-out answers, log-probabilities and training stay with the engine, `batchSize` and `weights` have no say. Nobody can compute again what it has sampled: `selm verify` leaves it out.",
    ),
});

const promptsSchema = z.strictObject({
  train: z
    .string()
    .describe(
      'Prompts to train on: a JSON Lines or Parquet file, or a hub data set `org/name[/config][:split]`. Repeated prompts, and those that are also held out, are dropped and counted.',
    ),
  heldOut: z
    .union([z.string(), positiveInt], { error: 'expected a file, a hub data set, or a number of prompts' })
    .describe('Prompts that no round trains on: a file, a hub data set, or how many to hold out of `train`.'),
  perRound: positiveInt
    .optional()
    .describe('Prompts per round; no prompt is in two rounds. Default: the training prompts in equal parts.'),
  tooLong: z
    .enum(['drop', 'fail'])
    .default('drop')
    .describe(
      'What happens if a prompt is too long for `sample.maxPromptLength`, `optimize.maxPromptLength`, `optimize.maxLength`, or the model with the longest answer: it is dropped and counted, or the run fails before anything is computed.',
    ),
});

const optimizeSchema = trainingSchema.extend({
  learningRate: z
    .union([z.number().positive(), z.array(z.number().positive()).min(1)], {
      error: 'expected a number > 0, or a list of them, one a round',
    })
    .default([5e-7, 3e-7, 1e-7])
    .describe('Peak learning rate. A list has one for each round, its last for all further rounds.'),
  objective: objectiveSchema.prefault({}).describe('What training minimizes.'),
  checkpointSeconds: z.number().positive().default(60).describe('Seconds between checkpoints of the training.'),
});

const gateSchema = z.strictObject({
  minWinRate: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Lowest win rate over the policy the round started from, 0 to 1. Default: every round is accepted.'),
  maxKl: z
    .number()
    .positive()
    .optional()
    .describe(
      'Largest KL divergence from the policy the round started from, in nats per answer: of sampled answers where `evaluate.klSamples` is set, else of the greedy answers.',
    ),
  maxLengthGrowth: z
    .number()
    .positive()
    .optional()
    .describe(
      'How many times as long as those of the policy the round started from the answers may be, in mean tokens.',
    ),
  minSecondJudgeWinRate: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Lowest win rate over the policy the round started from by `evaluate.secondJudge`, 0 to 1.'),
  onFail: z
    .enum(['continue', 'stop'])
    .default('continue')
    .describe(
      'After a round that is not accepted, and so rolled back: the next starts from the last accepted policy, or the run stops.',
    ),
});

const evaluateSchema = z
  .strictObject({
    maxNewTokens: samplingSchema.shape.maxNewTokens,
    batchSize: samplingSchema.shape.batchSize,
    shardSize,
    klSamples: divergenceSchema.shape.klSamples,
    secondJudge: labelSchema
      .optional()
      .describe(
        'A second labeler that judges the held-out answers and that training never sees: a watch on reward hacking.',
      ),
    gate: gateSchema.prefault({}).describe('What a round must reach for its policy to be accepted.'),
  })
  .refine(({ gate, secondJudge }) => gate.minSecondJudgeWinRate === undefined || secondJudge !== undefined, {
    path: ['gate', 'minSecondJudgeWinRate'],
    error: 'there is no evaluate.secondJudge to ask',
  });

const onFailureSchema = z.strictObject({
  retries: z.int().min(0).default(0).describe('How often a failed round is tried again by itself; bad input never is.'),
  backoff: z
    .number()
    .positive()
    .default(60)
    .describe('Seconds before the first of these retries; each further one waits twice as long.'),
});

const budgetSchema = z.strictObject({
  usdPerGpuHour: z.number().positive().describe('What an hour of one GPU worker costs, in US dollars.'),
  usd: z
    .number()
    .positive()
    .describe(
      'What the run may spend on GPU workers, in US dollars; then it waits for a decision, after the activities under way.',
    ),
});

const chatTemplateSchema = z
  .strictObject({
    file: z.string().optional().describe("A file with a Jinja template in place of the model's."),
    template: z.string().optional().describe('The text of the template, in place of `file`.'),
    arguments: z
      .record(z.string(), z.json())
      .optional()
      .describe('Variables of the template, such as `enable_thinking: false`.'),
  })
  .refine(({ file, template }) => file === undefined || template === undefined, {
    path: ['template'],
    error: 'there is a file already, remove one of the two',
  });

const runObject = z.strictObject({
  name: nameSchema.describe(
    'Name of the run: letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`. Started again, a run that was stopped goes on.',
  ),
  model: z.string().describe('The model to align: a Hugging Face model folder, or a hub id `org/name[@revision]`.'),
  adapter: z
    .string()
    .optional()
    .describe('PEFT LoRA adapter to start from: a folder, or what an earlier run has made, `NAME@latest` or `NAME@3`.'),
  chatTemplate: chatTemplateSchema
    .optional()
    .describe("How conversations become text. Default: the model's own template."),
  prompts: promptsSchema.describe('The prompts that the policy answers.'),
  rounds: positiveInt.default(3).describe('Iterations of sample, label, optimize and evaluate.'),
  seed: z.int().min(0).default(0).describe('Seed of all random numbers.'),
  threads: positiveInt
    .max(1024)
    .optional()
    .describe(
      'Threads of the engine; results are the same to the bit for the same number. Default: the cores of the machine that starts the run.',
    ),
  device: deviceSchema.optional().describe(`${deviceSchema.description} Labelers compute on the CPU. Default: cpu.`),
  sample: sampleSchema.prefault({}).describe('How the policy answers the prompts of a round.'),
  label: roundLabelSchema.prefault({}).describe('How answers become preferences.'),
  optimize: optimizeSchema.prefault({}).describe('How the policy is trained on the preferences of a round.'),
  evaluate: evaluateSchema
    .prefault({})
    .describe('How the policy is measured after a round: by its greedy answers to the held-out prompts.'),
  onFailure: onFailureSchema
    .prefault({})
    .describe('What happens after a failure that the retries of an activity do not mend, before an operator is asked.'),
  budget: budgetSchema.optional().describe('What the run may cost. What is found made costs nothing.'),
  output: z.string().optional().describe('Folder to which the last accepted policy is written when the run ends.'),
});

/** What each section may have by itself, less what does not go together. */
export const runSchema = runObject
  .refine(({ sample, optimize }) => !sample.server || !optimize.full, {
    path: ['optimize', 'full'],
    error: 'a server that samples (sample.server) is given adapters only, train one or let the engine sample',
  })
  .refine(({ sample }) => !sample.server || sample.weights !== 'q8', {
    path: ['sample', 'weights'],
    error: 'a server that samples (sample.server) has weights of its own, remove one of the two',
  });
export type RunConfig = z.infer<typeof runSchema> & { threads: number };

/**
 * Reads a run's YAML file. Paths in it are relative to the file; what reads as a hub id is one, unless it is there as a path.
 * @param settings replace what the file says
 * @throws InputError that names the file and the key
 */
export function loadConfig(file: string, settings: Settings = {}): RunConfig {
  return readConfig(file, withSettings(readYaml(file, "a run's"), settings), dirname(file));
}

/**
 * Reads a run's configuration. Paths in it are relative to `folder`.
 * @param what names it in errors
 * @throws InputError that names the key
 */
export function readConfig(what: string, document: object, folder: string): RunConfig {
  const parsed = runSchema.safeParse(document);
  if (!parsed.success) throw new InputError(`${what}: ${describeProblem(runSchema, document, parsed.error)}`);

  const { path, pathOrId, model: modelAt } = locateFrom(folder);
  const {
    model,
    adapter,
    chatTemplate,
    prompts,
    output,
    device,
    threads = availableParallelism(),
    ...rest
  } = parsed.data;
  if (device === 'cuda' && rest.sample.weights === 'q8')
    throw new InputError(`${what}: "sample.weights": ${Q8_ON_CPU}`);
  const { train, heldOut } = prompts;
  return {
    ...locateSettings(rest, { path, model: modelAt }),
    threads,
    // Named or not, the CPU is the same to a step's key.
    ...(device !== undefined && device !== 'cpu' && { device }),
    model: modelAt(model),
    ...(adapter !== undefined && { adapter: pathOrId(adapter, isPolicyName) }),
    ...(chatTemplate && { chatTemplate: withText(chatTemplate, path) }),
    prompts: {
      ...prompts,
      train: pathOrId(train, isDatasetId),
      heldOut: typeof heldOut === 'string' ? pathOrId(heldOut, isDatasetId) : heldOut,
    },
    ...(output !== undefined && { output: path(output) }),
  };
}

/** The template's text in place of its file: workers on other machines have no such file. */
function withText({ file, ...settings }: NonNullable<RunConfig['chatTemplate']>, path: Locate['path']) {
  return { ...settings, ...(file !== undefined && { template: readChatTemplate(path(file)) }) };
}

/**
 * A labeler's settings by themselves.
 * @param file has what stands under `label` in a run's; paths in it are relative to it
 * @param given settings that stand elsewhere: the labeler's name where the file does not say it, or all of them
 * @throws InputError that names file or labeler, and the key
 */
export function readLabelSettings(file: string | undefined, given: { by?: string }): RoundLabelSettings {
  const document = { ...(file !== undefined && readYaml(file, "a labeler's")), ...given };
  const parsed = roundLabelSchema.safeParse(document);
  if (!parsed.success) {
    throw new InputError(`${file ?? `--by ${given.by}`}: ${describeProblem(roundLabelSchema, document, parsed.error)}`);
  }
  return locateLabeler(parsed.data, locateFrom(file === undefined ? '.' : dirname(file)));
}

/** The settings of labelers and of sampling with their paths made absolute. */
function locateSettings<C extends Pick<RunConfig, 'sample' | 'label' | 'evaluate'>>(config: C, locate: Locate): C {
  const { sample, label, evaluate } = config;
  const { secondJudge } = evaluate;
  const { server } = sample;
  const adapterFolder = server?.adapterFolder;
  return {
    ...config,
    sample: {
      ...sample,
      ...(adapterFolder !== undefined && { server: { ...server!, adapterFolder: locate.path(adapterFolder) } }),
    },
    label: locateLabeler(label, locate),
    evaluate: { ...evaluate, ...(secondJudge && { secondJudge: locateLabeler(secondJudge, locate) }) },
  };
}

/** Finds what is named by settings that stand in a file of this folder. */
function locateFrom(folder: string): Locate & { pathOrId(given: string, isId: (text: string) => boolean): string } {
  const path = (given: string) => resolve(folder, given);
  const pathOrId = (given: string, isId: (text: string) => boolean) =>
    isId(given) && !existsSync(path(given)) ? given : path(given);
  return { path, pathOrId, model: (given) => pathOrId(given, isModelId) };
}

/** What of a run in progress can change: the rest has been used when the first round begins. */
const CHANGEABLE = ['sample', 'label', 'optimize', 'evaluate', 'onFailure', 'budget'];

/** Whether `selm retry --set` can change a setting. */
export const isChangeable = (key: string): boolean => CHANGEABLE.includes(key.split('.')[0]);

/**
 * Checks settings that are to change while a run is in progress.
 * @returns them with their defaults filled in
 * @throws InputError that names the setting
 */
export function checkSettings(config: RunConfig, settings: Settings): Settings {
  const fixed = Object.keys(settings).find(
    (key) => !CHANGEABLE.includes(key.split('.')[0]) && key.split('.')[0] in runSchema.shape,
  );
  if (fixed !== undefined) {
    throw new InputError(
      `--set ${fixed}: a run in progress can only change ${CHANGEABLE.join(', ')}; give this one another name and start it.`,
    );
  }
  const changed = withSettings(config, settings);
  const parsed = runSchema.safeParse(changed);
  if (!parsed.success) throw new InputError(`--set: ${describeProblem(runSchema, changed, parsed.error)}`);
  const located = locateSettings(parsed.data, locateFrom('.'));
  const valueOf = (key: string) =>
    key.split('.').reduce((section, name) => (section as Settings)[name], located as unknown);
  return Object.fromEntries(Object.keys(settings).map((key) => [key, valueOf(key)]));
}

/** @param whose YAML file it is to be, for messages */
function readYaml(file: string, whose: string): object {
  const content = parseYaml(readText(file, whose), file);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new InputError(`${file} holds no configuration; see docs/config.md.`);
  }
  return content;
}

function readText(file: string, whose: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${file} does not exist; give ${whose} YAML file.`);
    throw readFailure(file, error, `give ${whose} YAML file`);
  }
}
