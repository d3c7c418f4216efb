/** A policy's answers to the held-out prompts, and the comparison of two policies' answers. */
import type { Comparison } from '../evaluation/comparison.ts';
import type { PromptSet } from '../activities/prepare.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { LabelSettings } from '../labelers/index.ts';
import type { SamplingSettings } from '../engine/protocol/settings.ts';
import { isComparative } from '../labelers/needs.ts';
import { control } from './activities.ts';
import type { RunConfig } from '../config/run.ts';
import { runShards, shardsOf } from './shards.ts';

/** Greedy answers. */
export interface Answers {
  policy: Address;
  /** One artifact a shard. */
  responses: Address[];
}

/** A run's configuration with the labeler that scores held-out answers. */
export type Labeling = Pick<RunConfig, 'seed' | 'threads' | 'device' | 'evaluate'> & { label: LabelSettings };

/** With answers sampled at temperature 1, where `evaluate.klSamples` asks for some: KL divergences are measured along them too. */
export interface MeasuredAnswers extends Answers {
  sampled?: Address[];
}

/** Told as activities end: whether the artifact was there already. */
type Tick = (reused: boolean) => void;

// Greedy answers draw nothing: one seed for all runs lets them share the start policy's.
export const GREEDY_SEED = 0;

export async function answerHeldOut(
  config: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  tick: Tick,
): Promise<Answers> {
  const way = { samplesPerPrompt: 1, temperature: 0, seed: GREEDY_SEED };
  return { policy, responses: await sampleHeldOut(config, policy, heldOut, way, tick) };
}

/** As answerHeldOut(), with the sampled answers that KL divergences are measured along. */
export async function answerMeasured(
  config: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  seed: number,
  tick: Tick,
): Promise<MeasuredAnswers> {
  const { klSamples } = config.evaluate;
  const answers = await answerHeldOut(config, policy, heldOut, tick);
  // Runs that were started before the setting existed do not have it.
  if (!klSamples) return answers;
  const way = { samplesPerPrompt: klSamples, temperature: 1, seed };
  return { ...answers, sampled: await sampleHeldOut(config, policy, heldOut, way, tick) };
}

function sampleHeldOut(
  { threads, device, evaluate: { maxNewTokens, batchSize, shardSize } }: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  { seed, ...way }: Pick<SamplingSettings, 'samplesPerPrompt' | 'temperature'> & { seed: number },
  tick: Tick,
): Promise<Address[]> {
  const settings = { ...way, topP: 1, topK: 0, maxNewTokens, batchSize, weights: 'f32' as const };
  const shared = { policy, prompts: heldOut.address, settings, seed, threads, device };
  return runShards('sample', shared, shardsOf(heldOut.count, shardSize), tick);
}

/** What a policy's answers are worth by themselves. */
export async function measureAnswers(config: Labeling, answers: Answers): Promise<Comparison> {
  const labels = await judgeAnswers(config, answers, undefined, () => {});
  const { summary } = await control.evaluate({ labels, seed: config.seed });
  return summary;
}

export async function compareAnswers(
  config: Labeling,
  answers: MeasuredAnswers,
  opponent: Answers,
  tick: Tick,
): Promise<{ address: Address; summary: Comparison }> {
  const { label, seed, threads, device } = config;
  const measure = (shards: Address[]) => {
    const shared = { policy: answers.policy, reference: opponent.policy, threads, device };
    return runShards(
      'divergence',
      shared,
      shards.map((responses) => ({ responses })),
      tick,
    );
  };
  const divergences = await measure(answers.responses);
  const sampledDivergences = answers.sampled && (await measure(answers.sampled));
  const together = isComparative(label);
  const labels = await judgeAnswers(config, answers, together ? opponent : undefined, tick);
  const against = {
    labels: together ? labels : await judgeAnswers(config, opponent, undefined, tick),
    divergences,
    ...(sampledDivergences && { sampledDivergences }),
  };
  const { address, summary, reused } = await control.evaluate({ labels, opponent: against, seed });
  tick(reused);
  return { address, summary };
}

/** How many activities answerMeasured() takes. */
export const measuringActivities = ({ evaluate: { klSamples } }: Pick<RunConfig, 'evaluate'>, shards: number) =>
  (klSamples > 0 ? 2 : 1) * shards;

/** How many activities a comparison takes: divergences and labels by shard, and one for all. */
export const comparisonActivities = (config: Labeling, shards: number) =>
  measuringActivities(config, shards) + (isComparative(config.label) ? 1 : 2) * shards + 1;

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
  return runShards('labelHeldOut', { label, threads }, shards, tick);
}
