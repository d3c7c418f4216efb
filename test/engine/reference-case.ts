/** Jobs with one of the small models made with PyTorch (see test/fixtures/reference). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { TokenizedPreferenceRecord } from '../../data/records.ts';
import type { OptimizeJob } from '../../engine/protocol/jobs.ts';
import type { TokenizedPreference } from '../../engine/tokens/preferences.ts';
import type { TokenizedResponse } from '../../engine/tokens/responses.ts';
import { trainingSchema } from '../../engine/protocol/settings.ts';

export const ROLES = ['chosen', 'rejected', 'reference'] as const;
export type Roles<T> = Record<(typeof ROLES)[number], T>;

export type Pair = { prompt: number[] } & Roles<number[]>;

export interface Expected {
  beta: number;
  alpha: number;
  learning_rate: number;
  max_grad_norm: number;
  reference_logps: Roles<number>[];
  steps: { loss: number; grad_norm: number; policy_logps: Roles<number>[] }[];
  greedy_first_prompt: number[];
}

/** A job whose rows are in memory. */
export type TokenizedJob = OptimizeJob & { rows: TokenizedPreferenceRecord[] };

export const fixture = (path: string) => new URL(`../fixtures/${path}`, import.meta.url).pathname;
export const readJson = <T>(file: string) => JSON.parse(readFileSync(file, 'utf8')) as T;

/** A job that is not followed and not stopped. */
export const undisturbed = { onProgress: () => {}, aborted: () => false };

export function referenceCase(name: string) {
  const folder = fixture(`reference/${name}`);
  const model = join(folder, 'model');
  const { pairs } = readJson<{ pairs: Pair[] }>(join(folder, 'batch.json'));
  const expected = readJson<Expected>(join(folder, 'expected.json'));
  const policy = { model, adapter: join(folder, 'adapter_init') };
  const reference = { model, adapter: join(folder, 'adapter_reference') };

  /** Trains on the case's three pairs with its objective; without an adapter if all weights are trained. */
  const optimizeJob = (outDir: string, training: z.input<typeof trainingSchema>): TokenizedJob => ({
    policy: training.full ? { model } : policy,
    reference,
    rows: pairs.map(tokenizedRow),
    objective: { name: 'selm', beta: expected.beta, alpha: expected.alpha },
    training: trainingSchema.parse({ learningRate: 1e-3, schedule: 'constant', batchSize: pairs.length, ...training }),
    seed: 0,
    outDir,
  });

  return { folder, model, policy, reference, pairs, expected, optimizeJob };
}

/** The pair as input of the trainer. */
export const tokenized = ({ prompt, ...responses }: Pair): TokenizedPreference =>
  Object.fromEntries(ROLES.map((role) => [role, { prompt, response: responses[role] }])) as Roles<TokenizedResponse>;

const tokenizedRow = ({ prompt, chosen, rejected, reference }: Pair): TokenizedPreferenceRecord => ({
  prompt_input_ids: prompt,
  chosen_input_ids: chosen,
  rejected_input_ids: rejected,
  reference_input_ids: reference,
});
