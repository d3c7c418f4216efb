/** The workflow of a round, one SELM iteration: sample, label, reference, optimize, evaluate. */
import type { Address } from '../artifacts/manifest.ts';
import type { PromptSet } from '../activities/prepare.ts';
import { needsOf } from '../engine/protocol/objectives.ts';
import { labelerSettings } from '../labelers/needs.ts';
import {
  answerMeasured,
  compareAnswers,
  comparisonActivities,
  measuringActivities,
  type Answers,
  type Labeling,
} from './answers.ts';
import { activitiesOf } from './activities.ts';
import type { RunConfig } from '../config/run.ts';
import type { RunningStep } from './place.ts';
import { resultOf } from './round-result.ts';
import { runSteps } from './round-steps.ts';
import { samplersOf, sampleShards, thenUnload } from './samplers.ts';
import { runShards, shardsOf } from './shards.ts';
import { countFrom, Halted, spent } from './spending.ts';
import type { Spent } from '../activities/spent.ts';
import type { RoundResult } from './status.ts';

export interface RoundInput {
  config: RunConfig;
  /** The round, counted from 1. */
  round: number;
  prompts: PromptSet;
  heldOut: PromptSet;
  /** The policy that the run started from, with its held-out responses. */
  start: Answers;
  /** The reference policy, which this round starts from, with its held-out responses. */
  previous: Answers;
  /** The remaining GPU seconds of the budget. Undefined: no limit. */
  secondsLeft?: number;
}

export interface RoundOutput extends Spent {
  result: RoundResult;
  /** The trained policy, with its held-out responses. */
  answers: Answers;
}

/** The seed of a round. Different rounds of a run, and runs with adjacent seeds, get different seeds. */
export const roundSeed = (seed: number, round: number) => seed * 1000 + round;

/** A round that ended early, because an operator requested it or the budget is spent. */
export interface HaltedRound extends Spent {
  halted: true;
}

/** Runs a round. A round that ended early and runs again reuses the artifacts of its finished steps. */
export async function round(input: RoundInput): Promise<RoundOutput | HaltedRound> {
  countFrom(0, input.secondsLeft ?? Infinity);
  try {
    return { ...(await runRound(input)), seconds: spent() };
  } catch (error) {
    if (error instanceof Halted) return { halted: true, seconds: spent() };
    throw error;
  }
}

async function runRound({
  config,
  round,
  prompts,
  heldOut,
  start,
  previous,
}: RoundInput): Promise<Omit<RoundOutput, 'seconds'>> {
  const step = runSteps(round);
  const seed = roundSeed(config.seed, round);
  const { policy } = previous;
  const { threads, backend, device, gpus } = config;
  const compute = { threads, backend, device, gpus };

  const { shardSize, server: _server, backend: _sampler, vllm: _vllm, ...settings } = config.sample;
  const shards = shardsOf(prompts.count, shardSize);
  const shared = { prompts: prompts.address, seed, threads, ...samplersOf(config) };
  const sampleFrom = (running: RunningStep, source: Address, samplesPerPrompt: number) =>
    sampleShards(running, { ...shared, settings: { ...settings, samplesPerPrompt } }, source, shards);
  // In the first round no further samples are needed: the reference policy is the start policy.
  const fromStart = needsOf(config.optimize.objective).referenceResponse === 'start' && policy !== start.policy;
  const { responses, references } = await step('sample', (fromStart ? 2 : 1) * shards.length, async (running) => ({
    responses: await sampleFrom(running, policy, settings.samplesPerPrompt),
    ...(fromStart && { references: await sampleFrom(running, start.policy, 1) }),
  }));

  const { truncated } = config.label;
  const labeler = labelerSettings(config.label);
  const labeled = await step('label', shards.length + 1, async (running) => {
    const sampled = responses.map((shard) => ({ responses: shard }));
    const labeling = { label: labeler, ...compute, ...(truncated === 'drop' && { truncated }) };
    const labels = await runShards(running, 'label', labeling, sampled);
    const { control } = activitiesOf(running.place);
    const result = await control.prefer({ labels, truncated, ...(references && { references }) });
    running.tick(result.reused);
    return result;
  });

  const { learningRate, objective, checkpointSeconds, ...training } = config.optimize;
  const preferenceShards = !needsOf(objective).referencePolicy ? [] : shardsOf(labeled.summary.preferences, shardSize);
  const reference = await step('reference', preferenceShards.length, (running) => {
    const limits = { maxLength: training.maxLength, maxPromptLength: training.maxPromptLength };
    // Undefined in runs that were started by a version without this setting.
    const server = config.sample.server?.logprobs ? config.sample.server : undefined;
    const input = { policy, preferences: labeled.address, limits, ...compute, ...(server && { server }) };
    return thenUnload(running, policy, server, () => runShards(running, 'reference', input, preferenceShards));
  });

  const rates = [learningRate].flat();
  const rate = rates[Math.min(round, rates.length) - 1];
  const optimized = await step('optimize', 1, async (running) => {
    const result = await activitiesOf(running.place).model.optimize({
      policy,
      preferences: labeled.address,
      reference,
      objective,
      training: { ...training, learningRate: rate },
      seed,
      ...compute,
      checkpointSeconds,
    });
    running.tick(result.reused);
    return result;
  });

  const heldOutShards = shardsOf(heldOut.count, config.evaluate.shardSize).length;
  const { secondJudge } = config.evaluate;
  const own = { ...config, label: labeler };
  const second = secondJudge && { ...config, label: secondJudge };
  const evaluated = await step(
    'evaluate',
    measuringActivities(config, heldOutShards) +
      2 * comparisonActivities(own, heldOutShards) +
      (second ? 2 * comparisonActivities(second, heldOutShards) : 0),
    async (running) => {
      const { sampled, ...answers } = await answerMeasured(running, config, optimized.address, heldOut, seed);
      const compare = (by: Labeling, opponent: Answers) =>
        compareAnswers(running, by, { ...answers, sampled }, opponent);
      const againstStart = await compare(own, start);
      const againstPrevious = await compare(own, previous);
      if (!second) return { answers, againstStart, overPrevious: againstPrevious.summary };
      const secondStart = await compare(second, start);
      const secondPrevious = await compare(second, previous);
      const bySecond = { evaluation: secondStart.summary, overPrevious: secondPrevious.summary };
      return { answers, againstStart, overPrevious: againstPrevious.summary, bySecond };
    },
  );

  return {
    answers: evaluated.answers,
    result: resultOf({ config, round, learningRate: rate, labeled, optimized, evaluated }),
  };
}
