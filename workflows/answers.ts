/** A policy's responses to the held-out prompts, and the comparison of two policies' responses. */
import type { Comparison } from '../evaluation/comparison.ts';
import type { PromptSet } from '../activities/prepare.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { LabelSettings } from '../labelers/index.ts';
import type { SamplingSettings } from '../engine/protocol/settings.ts';
import { isComparative } from '../labelers/needs.ts';
import { patched } from '@temporalio/workflow';
import { activitiesOf } from './activities.ts';
import type { RunConfig } from '../config/run.ts';
import type { RunningStep } from './place.ts';
import { GREEDY, heldOutSampling } from './round-plan.ts';
import { samplersOf, sampleShards } from './samplers.ts';
import { runShards, shardsOf } from './shards.ts';

/** Greedy responses. */
export interface Answers {
  policy: Address;
  /** The responses, one artifact per shard. */
  responses: Address[];
}

/** A run's configuration with the labeler that scores held-out responses. */
export type Labeling = Pick<RunConfig, 'seed' | 'threads' | 'backend' | 'device' | 'gpus' | 'evaluate'> & {
  label: LabelSettings;
};

/** Greedy responses and, with `evaluate.klSamples`, responses sampled at temperature 1 for the KL estimate. */
export interface MeasuredAnswers extends Answers {
  sampled?: Address[];
}

/** Samples greedy responses of a policy to the held-out prompts. */
export async function answerHeldOut(
  step: RunningStep,
  config: RunConfig,
  policy: Address,
  heldOut: PromptSet,
): Promise<Answers> {
  return { policy, responses: await sampleHeldOut(step, config, policy, heldOut, GREEDY) };
}

/** Like answerHeldOut(), and also samples the responses for the KL estimate. */
export async function answerMeasured(
  step: RunningStep,
  config: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  seed: number,
): Promise<MeasuredAnswers> {
  const { klSamples } = config.evaluate;
  const answers = await answerHeldOut(step, config, policy, heldOut);
  // Undefined in runs that were started by a version without this setting.
  if (!klSamples) return answers;
  const decoding = { samplesPerPrompt: klSamples, temperature: 1, seed };
  return { ...answers, sampled: await sampleHeldOut(step, config, policy, heldOut, decoding) };
}

function sampleHeldOut(
  step: RunningStep,
  config: RunConfig,
  policy: Address,
  heldOut: PromptSet,
  { seed, ...decoding }: Pick<SamplingSettings, 'samplesPerPrompt' | 'temperature'> & { seed: number },
): Promise<Address[]> {
  const settings = heldOutSampling(config.evaluate, decoding);
  const shared = { prompts: heldOut.address, settings, seed, threads: config.threads };
  const { server, ...samplers } = samplersOf(config);
  // Runs that an earlier version started go on with responses of the engine.
  const input = { ...shared, ...samplers, ...(server && patched('held-out-by-server') && { server }) };
  return sampleShards(step, input, policy, shardsOf(heldOut.count, config.evaluate.shardSize));
}

/** Measures scores and lengths of a policy's responses, without a comparison. */
export async function measureAnswers(step: RunningStep, config: Labeling, answers: Answers): Promise<Comparison> {
  const labels = await labelAnswers(step, config, answers, undefined);
  const { control } = activitiesOf(step.place);
  const { summary } = await control.evaluate({ labels, seed: config.seed });
  return summary;
}

/** Measures win rate, KL divergence and lengths of a policy's responses against another policy's. */
export async function compareAnswers(
  step: RunningStep,
  config: Labeling,
  answers: MeasuredAnswers,
  opponent: Answers,
): Promise<{ address: Address; summary: Comparison }> {
  const { label, seed, threads, backend, device, gpus } = config;
  const measure = (shards: Address[]) => {
    const shared = { policy: answers.policy, reference: opponent.policy, threads, backend, device, gpus };
    const own = shards.map((responses) => ({ responses }));
    return runShards(step, 'divergence', shared, own);
  };
  const divergences = await measure(answers.responses);
  const sampledDivergences = answers.sampled && (await measure(answers.sampled));
  const together = isComparative(label);
  const labels = await labelAnswers(step, config, answers, together ? opponent : undefined);
  const against = {
    labels: together ? labels : await labelAnswers(step, config, opponent, undefined),
    divergences,
    ...(sampledDivergences && { sampledDivergences }),
  };
  const { control } = activitiesOf(step.place);
  const { address, summary, reused } = await control.evaluate({ labels, opponent: against, seed });
  step.tick(reused);
  return { address, summary };
}

/** The number of activities that answerMeasured() runs. */
export const measuringActivities = ({ evaluate: { klSamples } }: Pick<RunConfig, 'evaluate'>, shards: number) =>
  (klSamples > 0 ? 2 : 1) * shards;

/** The number of activities that compareAnswers() runs: one divergence and one labeling activity per shard, and one evaluation. */
export const comparisonActivities = (config: Labeling, shards: number) =>
  measuringActivities(config, shards) + (isComparative(config.label) ? 1 : 2) * shards + 1;

/**
 * Labels responses, by shard. Responses that another comparison has already labeled are not labeled again.
 * @param opponent the opponent's responses, which a comparative labeler labels together with these
 */
function labelAnswers(
  step: RunningStep,
  { label, threads, backend, device, gpus }: Labeling,
  { responses }: Answers,
  opponent: Answers | undefined,
): Promise<Address[]> {
  const shards = responses.map((shard, i) => ({
    responses: shard,
    ...(opponent && { against: opponent.responses[i] }),
  }));
  // The activity's name in histories of earlier versions.
  const activity = patched('label-held-out') ? 'labelHeldOut' : 'judge';
  return runShards(step, activity, { label, threads, backend, device, gpus }, shards);
}
