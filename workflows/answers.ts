/** A policy's greedy answers to the held-out prompts, and the comparison of two policies' answers. */
import type { Comparison } from '../activities/evaluate.ts';
import type { PromptSet } from '../activities/prepare.ts';
import type { Address } from '../artifacts/manifest.ts';
import { control } from './activities.ts';
import type { RunConfig } from './config.ts';
import { runShards, shardsOf } from './shards.ts';

export interface Answers {
  policy: Address;
  /** One artifact a shard. */
  responses: Address[];
}

/** Told as activities end: whether the artifact was there already. */
type Tick = (reused: boolean) => void;

// Greedy answers draw nothing: one seed for all runs lets them share the start policy's.
const GREEDY_SEED = 0;

export async function answerHeldOut(
  { threads, evaluate: { maxNewTokens, batchSize, shardSize } }: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  tick: Tick,
): Promise<Answers> {
  const settings = { samplesPerPrompt: 1, temperature: 0, topP: 1, topK: 0, maxNewTokens, batchSize };
  const shared = { policy, prompts: heldOut.address, settings, seed: GREEDY_SEED, threads };
  const responses = await runShards('sample', shared, shardsOf(heldOut.count, shardSize), tick);
  return { policy, responses };
}

export async function compareAnswers(
  { label, seed, threads }: RunConfig,
  { responses }: Answers,
  opponent: Answers,
  tick: Tick,
): Promise<{ address: Address; summary: Comparison }> {
  const shards = responses.map((shard) => ({ responses: shard }));
  const logps = await runShards('score', { policy: opponent.policy, threads }, shards, tick);
  const against = { responses: opponent.responses, logps };
  const { address, summary, reused } = await control.evaluate({ responses, opponent: against, label, seed });
  tick(reused);
  return { address, summary };
}
