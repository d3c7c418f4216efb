/** How a round computes, from its configuration: what the workflow and the study have in common, so that they share artifacts. */
import type { Address } from '../artifacts/manifest.ts';
import type { RunConfig } from '../config/run.ts';
import { needsOf } from '../engine/protocol/objectives.ts';
import type { LengthLimits, SamplingSettings } from '../engine/protocol/settings.ts';
import { shardsOf, type Shard } from './shards.ts';

/** The seed of a round. Different rounds of a run, and runs with adjacent seeds, get different seeds. */
export const roundSeed = (seed: number, round: number): number => seed * 1000 + round;

/** The learning rate of a round. The last rate of a list is also that of the rounds after it. */
export function learningRateOf({ learningRate }: RunConfig['optimize'], round: number): number {
  const rates = [learningRate].flat();
  return rates[Math.min(round, rates.length) - 1];
}

/**
 * Whether the policy that the run started from also samples a response to each prompt of the round. In the first round it is the policy
 * that samples anyway.
 * @param policy that the round starts from
 * @param start that the run started from
 */
export const needsStartResponses = ({ optimize }: RunConfig, policy: Address, start: Address): boolean =>
  needsOf(optimize.objective).referenceResponse === 'start' && policy !== start;

/** The preferences whose log-probabilities under the reference policy training needs, by shard. */
export const referenceShards = ({ optimize, sample }: RunConfig, preferences: number): Shard[] =>
  needsOf(optimize.objective).referencePolicy ? shardsOf(preferences, sample.shardSize) : [];

export const lengthLimits = ({ maxLength, maxPromptLength }: LengthLimits): LengthLimits => ({
  maxLength,
  maxPromptLength,
});

/** Greedy decoding uses no random numbers. With one seed for all runs, they share the start policy's responses. */
export const GREEDY = { samplesPerPrompt: 1, temperature: 0, seed: 0 };

/** How held-out prompts are answered: from the whole distribution, in float32. @param decoding GREEDY, or samples for an estimate */
export function heldOutSampling(
  { maxNewTokens, batchSize }: RunConfig['evaluate'],
  { samplesPerPrompt, temperature }: Pick<SamplingSettings, 'samplesPerPrompt' | 'temperature'>,
): SamplingSettings {
  return { samplesPerPrompt, temperature, topP: 1, topK: 0, maxNewTokens, batchSize, weights: 'f32' };
}
