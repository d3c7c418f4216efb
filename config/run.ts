/** The configuration of a run: its schema, from which docs/config.md is generated. */
import { z } from 'zod';
import { nameSchema } from '../data/paths.ts';
import { checkCompute, computeFields } from '../engine/protocol/settings.ts';
import { roundLabelSchema } from '../labelers/index.ts';
import { POOLS } from './pools.ts';
import { evaluateSchema } from './run/evaluate.ts';
import { budgetSchema, onFailureSchema } from './run/operation.ts';
import { optimizeSchema } from './run/optimize.ts';
import { chatTemplateSchema, promptsSchema } from './run/prompts.ts';
import { sampleSchema } from './run/sample.ts';

const sections = z.strictObject({
  name: nameSchema.describe(
    'Name of the run: letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`. ' +
      'Starting a run whose name is in progress resumes that run. Otherwise a new run starts, which reuses the artifacts of all ' +
      'unchanged steps.',
  ),
  model: z.string().describe('The model to align: a Hugging Face model folder, or a hub id `org/name[@revision]`.'),
  adapter: z
    .string()
    .optional()
    .describe('PEFT LoRA adapter to start from: a folder, or the policy of an earlier run, `NAME@latest` or `NAME@3`.'),
  chatTemplate: chatTemplateSchema
    .optional()
    .describe("How conversations become text. Default: the model's own template."),
  prompts: promptsSchema.describe('The prompts of the run.'),
  rounds: z.int().positive().default(3).describe('Iterations of sample, label, optimize and evaluate.'),
  seed: z.int().min(0).default(0).describe('Seed of all random numbers.'),
  threads: z
    .int()
    .positive()
    .max(1024)
    .optional()
    .describe(
      'Threads of ONNX Runtime, or of each rank of the torch backend. Results on CPUs are bitwise the same only with the same number. ' +
        'Default: the cores of the machine that starts the run, which ranks share.',
    ),
  ...computeFields.shape,
  workers: z
    .enum(POOLS)
    .optional()
    .describe(
      'Pool of GPU workers that compute the steps with a model: `single` (`selm worker --role gpu`, one GPU each), or `node` ' +
        '(`--role node`, several GPUs of one machine). Results do not depend on it. Default: `node` if `gpus` is more than 1, ' +
        'else `single`.',
    ),
  sample: sampleSchema.prefault({}).describe('How the policy responds to the prompts of a round.'),
  label: roundLabelSchema.prefault({}).describe('How responses become preferences.'),
  optimize: optimizeSchema.prefault({}).describe('How the policy is trained on the preferences of a round.'),
  evaluate: evaluateSchema
    .prefault({})
    .describe('How the policy is measured after a round, by its greedy responses to the held-out prompts.'),
  onFailure: onFailureSchema
    .prefault({})
    .describe('What happens after a failure that the retries of an activity do not resolve, before the run waits.'),
  budget: budgetSchema.optional().describe('What the run may cost. Cached artifacts cost nothing.'),
  output: z.string().optional().describe('Folder to which the last accepted policy is written when the run ends.'),
});

/** The sections, without combinations that exclude each other. */
export const runSchema = sections
  .check(checkCompute)
  .refine(({ sample, optimize }) => !sample.server || !optimize.full, {
    path: ['optimize', 'full'],
    error: 'a server that samples (sample.server) only loads adapters, train one or remove the server',
  })
  .refine(({ sample }) => !sample.server || sample.backend === undefined, {
    path: ['sample', 'backend'],
    error: 'a server samples (sample.server), remove one of the two',
  })
  .refine(({ sample }) => sample.backend !== 'vllm' || sample.weights !== 'q8', {
    path: ['sample', 'weights'],
    error: 'these are weights of the engine, remove this setting (sample.vllm.args can quantize those of vLLM)',
  })
  .refine(({ sample }) => !sample.server || sample.weights !== 'q8', {
    path: ['sample', 'weights'],
    error: 'a server that samples (sample.server) has its own weights, remove one of the two',
  })
  .refine(({ label, evaluate }) => label.by !== 'people' || label.otherwise || evaluate.labeler, {
    path: ['evaluate', 'labeler'],
    error: 'people do not score the responses to held-out prompts, give it or label.otherwise',
  })
  .refine(({ label }) => label.by !== 'people' || label.atDeadline !== 'park' || label.deadline !== undefined, {
    path: ['label', 'atDeadline'],
    error: 'there is no label.deadline, give it or remove this setting',
  })
  .refine(({ label, optimize }) => label.by === 'people' || optimize.objective.labelSmoothing !== 'agreement', {
    path: ['optimize', 'objective', 'labelSmoothing'],
    error: 'only the votes of people (label.by: people) have an agreement, give a number or remove this setting',
  });

/** A run's configuration as it is read: defaults filled in, paths absolute. */
export type RunConfig = z.infer<typeof runSchema> & { threads: number };
