/** A policy's greedy answers to the held-out prompts, and the comparison of two policies' answers. */
import type { Comparison } from '../activities/evaluate.ts';
import type { PromptSet } from '../activities/prepare.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { LabelSettings } from '../labelers/index.ts';
import { isComparative } from '../labelers/needs.ts';
import { control } from './activities.ts';
import type { RunConfig } from './config.ts';
import { runShards, shardsOf } from './shards.ts';

export interface Answers {
  policy: Address;
  /** One artifact a shard. */
  responses: Address[];
}

/** A run's configuration with the labeler that scores held-out answers. */
export type Labeling = Pick<RunConfig, 'seed' | 'threads' | 'device'> & { label: LabelSettings };

/** Told as activities end: whether the artifact was there already. */
type Tick = (reused: boolean) => void;

// Greedy answers draw nothing: one seed for all runs lets them share the start policy's.
export const GREEDY_SEED = 0;

export async function answerHeldOut(
  { threads, device, evaluate: { maxNewTokens, batchSize, shardSize } }: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  tick: Tick,
): Promise<Answers> {
  const settings = {
    samplesPerPrompt: 1,
    temperature: 0,
    topP: 1,
    topK: 0,
    maxNewTokens,
    batchSize,
    weights: 'f32' as const,
  };
  const shared = { policy, prompts: heldOut.address, settings, seed: GREEDY_SEED, threads, device };
  const responses = await runShards('sample', shared, shardsOf(heldOut.count, shardSize), tick);
  return { policy, responses };
}

/** What a policy's answers are worth by themselves. */
export async function measureAnswers(config: Labeling, answers: Answers): Promise<Comparison> {
  const labels = await judgeAnswers(config, answers, undefined, () => {});
  const { summary } = await control.evaluate({ labels, seed: config.seed });
  return summary;
}

export async function compareAnswers(
  config: Labeling,
  answers: Answers,
  opponent: Answers,
  tick: Tick,
): Promise<{ address: Address; summary: Comparison }> {
  const { label, seed, threads, device } = config;
  const shards = answers.responses.map((shard) => ({ responses: shard }));
  const logps = await runShards('score', { policy: opponent.policy, threads, device }, shards, tick);
  const together = isComparative(label);
  const labels = await judgeAnswers(config, answers, together ? opponent : undefined, tick);
  const against = { labels: together ? labels : await judgeAnswers(config, opponent, undefined, tick), logps };
  const { address, summary, reused } = await control.evaluate({ labels, opponent: against, seed });
  tick(reused);
  return { address, summary };
}

/** How many activities a comparison takes: scores and labels by shard, and one for all. */
export const comparisonActivities = ({ label }: Labeling, shards: number) =>
  (isComparative(label) ? 2 : 3) * shards + 1;

/** The labels of answers, by shard. What is judged already, for another comparison, is found made. */
function judgeAnswers(
  { label, threads }: Labeling,
  { responses }: Answers,
  opponent: Answers | undefined,
  tick: Tick,
): Promise<Address[]> {
  const shards = responses.map((shard, i) => ({
    responses: shard,
    ...(opponent && { against: opponent.responses[i] }),
  }));
  return runShards('judge', { label, threads }, shards, tick);
}
