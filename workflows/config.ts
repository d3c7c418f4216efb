/** The configuration of a run: its schema, which is also its reference, and how a file of it is read. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { objectiveSchema, samplingSchema, trainingSchema } from '../engine/settings.ts';
import { labelSchema } from '../labelers/index.ts';

const positiveInt = z.int().positive();
const shardSize = positiveInt.default(256).describe('Prompts per activity: shards are spread over the workers.');

const promptsSchema = z.strictObject({
  train: z.string().describe('JSON Lines or Parquet file, or hub data set, of prompts to train on.'),
  heldOut: z
    .union([z.string(), positiveInt])
    .describe('Prompts that no round trains on: a file or data set, or how many to hold out of `train`.'),
  perRound: positiveInt.optional().describe('Prompts a round. Default: the training prompts in equal parts.'),
});

const optimizeSchema = trainingSchema.extend({
  learningRate: z
    .union([z.number().positive(), z.array(z.number().positive()).min(1)])
    .default([5e-7, 3e-7, 1e-7])
    .describe('Peak learning rate; a list gives one a round, the last for all further rounds.'),
  objective: objectiveSchema.prefault({}).describe('The loss and its strengths.'),
  checkpointSeconds: z.number().positive().default(60).describe('Time between checkpoints.'),
});

const gateSchema = z.strictObject({
  minWinRate: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('A round whose win rate over its own start is lower is not accepted: the next starts where it did.'),
});

const evaluateSchema = z.strictObject({
  maxNewTokens: samplingSchema.shape.maxNewTokens,
  batchSize: samplingSchema.shape.batchSize,
  shardSize,
  gate: gateSchema.prefault({}).describe('What a round must reach to be accepted.'),
});

export const runSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/, 'expected letters, digits, ".", "_" and "-"')
    .describe('Names the run: the same name goes on with it.'),
  model: z.string().describe('Hugging Face model folder, or hub id `org/name[@revision]`.'),
  adapter: z.string().optional().describe('PEFT adapter to start from.'),
  prompts: promptsSchema.describe('What the policy answers.'),
  rounds: positiveInt.default(3).describe('SELM iterations.'),
  seed: z.int().min(0).default(0).describe('Of all random numbers.'),
  sample: samplingSchema.extend({ shardSize }).prefault({}).describe('How a round answers its prompts.'),
  label: labelSchema.prefault({}).describe('Who says which answers are better.'),
  optimize: optimizeSchema.prefault({}).describe('How a round trains.'),
  evaluate: evaluateSchema.prefault({}).describe('How a round is measured: greedy answers to the held-out prompts.'),
  output: z.string().optional().describe('Folder that gets the last accepted policy.'),
});
export type RunConfig = z.infer<typeof runSchema>;

/**
 * Reads a run's YAML file. Paths in it are relative to the file.
 * @param overrides replace what the file says at the top level
 * @throws InputError that names the file and the key
 */
export function loadConfig(file: string, overrides: Partial<RunConfig> = {}): RunConfig {
  let document: unknown;
  try {
    document = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(missing ? `${file} does not exist: give a run's YAML file.` : `${file} is not YAML: ${(error as Error).message.split('\n')[0]}`); // prettier-ignore
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new InputError(`${file} holds no configuration: see docs/config.md.`);
  }
  const parsed = runSchema.safeParse({ ...document, ...overrides });
  if (!parsed.success) throw new InputError(`${file}: ${describe(parsed.error.issues[0])}`);
  const here = dirname(resolve(file));
  // What is there as a path is one; the rest are hub ids, or an error when they are opened.
  const local = (path: string) => (isAbsolute(path) || !/^\.{0,2}\/|\.(jsonl|parquet)$/.test(path) ? path : resolve(here, path)); // prettier-ignore
  const { model, adapter, prompts, output, ...rest } = parsed.data;
  return {
    ...rest,
    model: local(model),
    ...(adapter !== undefined && { adapter: resolve(here, adapter) }),
    prompts: {
      ...prompts,
      train: local(prompts.train),
      heldOut: typeof prompts.heldOut === 'string' ? local(prompts.heldOut) : prompts.heldOut,
    },
    ...(output !== undefined && { output: resolve(here, output) }),
  };
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    const known = keysAt(issue.path);
    const nearest = known.toSorted((a, b) => distance(a, key) - distance(b, key))[0];
    return `unknown key "${[...issue.path, key].join('.')}"; did you mean "${[...issue.path, nearest].join('.')}"?`;
  }
  const problem = issue.message.replace(/^(Invalid input|Invalid option|Too small|Too big): /, '');
  return `"${path}" is not valid: ${problem}; see docs/config.md.`;
}

/** The keys that the configuration has at a path. */
function keysAt(path: PropertyKey[]): string[] {
  let schema: z.ZodType = runSchema;
  for (const key of path) schema = unwrap((unwrap(schema) as z.ZodObject).shape[String(key)] as z.ZodType);
  return Object.keys((unwrap(schema) as z.ZodObject).shape);
}

function unwrap(schema: z.ZodType): z.ZodType {
  const wrapped = schema instanceof z.ZodDefault || schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault;
  return wrapped ? unwrap(schema.unwrap() as z.ZodType) : schema;
}

/** Levenshtein's edit distance, letter case aside. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1] + Number(a[i - 1].toLowerCase() !== b[j - 1].toLowerCase());
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, substitution));
    }
    row = next;
  }
  return row[b.length];
}
