/**
 * The steps of a run, one after the other in this process. They have the same step keys as those of `selm run`, so
 * both reuse each other's artifacts.
 */
import { divergence } from '../../activities/divergence.ts';
import { evaluate } from '../../activities/evaluate.ts';
import type { Comparison } from '../../evaluation/comparison.ts';
import { label, labelHeldOut } from '../../activities/label.ts';
import { optimize } from '../../activities/optimize.ts';
import { prefer } from '../../activities/prefer.ts';
import { prepare, type PromptSet } from '../../activities/prepare.ts';
import { lengthSettings } from '../../activities/prompts/limits.ts';
import { reference } from '../../activities/reference.ts';
import { sample } from '../../activities/sample.ts';
import type { StepContext } from '../../activities/step.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { InputError } from '../../data/errors.ts';
import { heldOutLabeler } from '../../labelers/needs.ts';
import type { LabelStats } from '../../labelers/preferences.ts';
import type { RunConfig } from '../../config/run.ts';
import {
  GREEDY,
  heldOutSampling,
  learningRateOf,
  lengthLimits,
  needsStartResponses,
  referenceShards,
  roundSeed,
} from '../../workflows/round-plan.ts';
import { shardsOf } from '../../workflows/shards.ts';

/** Results of a round. */
export interface Round {
  round: number;
  label: LabelStats;
  /** Comparison with the start policy. */
  evaluation: Comparison;
  /** Labels of the held-out responses, one artifact per shard. */
  heldOutLabels: Address[];
}

/** A policy with its responses to the held-out prompts and their labels, by shard. */
interface Measured {
  policy: Address;
  responses: Address[];
  labels: Address[];
}

/** Results of a run. */
export interface Run {
  start: Comparison;
  /** Labels of the start policy's held-out responses, one artifact per shard. */
  startLabels: Address[];
  rounds: Round[];
  /** The policy that the run started from, and that of its last round. */
  policies: { start: Address; last: Address };
  heldOut: PromptSet;
  /** Why the run ended early: training diverged, or there were no preferences. */
  failed?: string;
}

/** The sampled responses of a round. */
export interface Sampled {
  /** One artifact per shard. */
  responses: Address[];
  /** The policy that sampled them. */
  policy: Address;
  /** The policy that the run starts from. */
  start: Address;
  seed: number;
}

export interface RoundOptions {
  /** Gives the labels of a round, one artifact per shard. Default: by the labeler of the held-out responses. */
  labelRound?: (sampled: Sampled) => Promise<Address[]>;
  /** Whether each round's KL divergence from the start policy is measured, which can take longer than its held-out responses. */
  withKl?: boolean;
}

/** Labels responses by the labeler of the held-out ones. @returns one artifact per shard */
export const labelByConfig = (
  context: StepContext,
  config: RunConfig,
  { responses }: Pick<Sampled, 'responses'>,
): Promise<Address[]> =>
  inOrder(responses, (shard) =>
    label(context, { responses: shard, label: heldOutLabeler(config), threads: config.threads }, {}),
  );

/**
 * Runs `config` without a gate: every round starts from the policy of the previous round.
 * @param told called after each round
 */
export async function runRounds(
  context: StepContext,
  config: RunConfig,
  told: (round: Round) => void,
  { labelRound = (sampled) => labelByConfig(context, config, sampled), withKl = true }: RoundOptions = {},
): Promise<Run> {
  const { model, prompts, rounds: count, seed, threads } = config;
  const labeler = heldOutLabeler(config);
  const prepared = await prepare(
    context,
    { model, prompts, limits: lengthSettings(config), label: labeler, rounds: count, seed },
    {},
  );
  const start = await measure(prepared.policy);
  const { summary } = await evaluate(context, { labels: start.labels, seed }, {});
  const rounds: Round[] = [];
  let { policy } = prepared;
  for (const [i, set] of prepared.rounds.entries()) {
    try {
      const done = await runRound(i + 1, set);
      rounds.push(done);
      told(done);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { ...result(), failed: `round ${i + 1}: ${error.message}` };
    }
  }
  return result();

  function result(): Run {
    const policies = { start: prepared.policy, last: policy };
    return { start: summary, startLabels: start.labels, rounds, policies, heldOut: prepared.heldOut };
  }

  async function runRound(round: number, set: PromptSet): Promise<Round> {
    const { shardSize, ...settings } = config.sample;
    const drawn = { settings, shardSize, seed: roundSeed(seed, round) };
    const responses = await answer(policy, set, drawn);
    const { objective, checkpointSeconds, ...training } = config.optimize;
    const references =
      needsStartResponses(config, policy, prepared.policy) &&
      (await answer(prepared.policy, set, { ...drawn, settings: { ...settings, samplesPerPrompt: 1 } }));
    const labels = await labelRound({ responses, policy, start: prepared.policy, seed: drawn.seed });
    const preferred = await prefer(
      context,
      { labels, truncated: config.label.truncated, ...(references && { references }) },
      {},
    );
    const optimized = await optimize(
      context,
      {
        policy,
        preferences: preferred.address,
        reference: await referenceLogps(preferred),
        objective,
        training: { ...training, learningRate: learningRateOf(config.optimize, round) },
        seed: drawn.seed,
        threads,
        checkpointSeconds,
      },
      {},
    );
    policy = optimized.address;
    const measured = await measure(policy);
    const evaluation = await compareWithStart(measured);
    return { round, label: preferred.summary, evaluation, heldOutLabels: measured.labels };
  }

  async function referenceLogps({
    address: preferences,
    summary,
  }: Awaited<ReturnType<typeof prefer>>): Promise<Address[]> {
    const limits = lengthLimits(config.optimize);
    return inOrder(referenceShards(config, summary.preferences), (shard) =>
      reference(context, { policy, preferences, ...shard, limits, threads }, {}),
    );
  }

  async function measure(measured: Address): Promise<Measured> {
    const responses = await answerGreedily(context, config, measured, prepared.heldOut);
    const labels = await inOrder(responses, (shard) =>
      labelHeldOut(context, { responses: shard, label: labeler, threads }, {}),
    );
    return { policy: measured, responses, labels };
  }

  async function compareWithStart({ policy: measured, responses, labels }: Measured): Promise<Comparison> {
    const divergences =
      withKl &&
      (await inOrder(responses, (shard) =>
        divergence(context, { policy: measured, reference: start.policy, responses: shard, threads }, {}),
      ));
    const opponent = { labels: start.labels, ...(divergences && { divergences }) };
    const compared = await evaluate(context, { labels, opponent, seed }, {});
    return compared.summary;
  }

  function answer(
    by: Address,
    set: PromptSet,
    drawn: Pick<Parameters<typeof sample>[1], 'settings' | 'seed'> & { shardSize: number },
  ): Promise<Address[]> {
    const { settings, shardSize, seed: drawnBy } = drawn;
    return inOrder(shardsOf(set.count, shardSize), (shard) =>
      sample(context, { policy: by, prompts: set.address, ...shard, settings, seed: drawnBy, threads }, {}),
    );
  }
}

/** Samples a policy's greedy responses. @returns one artifact per shard */
export function answerGreedily(
  context: StepContext,
  { evaluate, threads }: RunConfig,
  policy: Address,
  { address, count }: PromptSet,
): Promise<Address[]> {
  const settings = heldOutSampling(evaluate, GREEDY);
  return inOrder(shardsOf(count, evaluate.shardSize), (shard) =>
    sample(context, { policy, prompts: address, ...shard, settings, seed: GREEDY.seed, threads }, {}),
  );
}

/** Runs a step on each item. @returns the artifacts, in order */
export async function inOrder<T>(items: T[], step: (item: T) => Promise<{ address: Address }>): Promise<Address[]> {
  const addresses: Address[] = [];
  for (const item of items) addresses.push((await step(item)).address);
  return addresses;
}
