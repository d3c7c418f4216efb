/** One SELM iteration: sample, label, optimize, evaluate. */
import { defineQuery, defineSignal, isCancellation, setHandler, TemporalFailure } from '@temporalio/workflow';
import type { Address } from '../artifacts/manifest.ts';
import type { PromptSet } from '../activities/prepare.ts';
import { labelerSettings } from '../labelers/needs.ts';
import {
  answerMeasured,
  compareAnswers,
  comparisonActivities,
  measuringActivities,
  type Answers,
  type Labeling,
} from './answers.ts';
import { control, model, nameStep } from './activities.ts';
import type { RunConfig } from '../config/run.ts';
import { stepFailed } from './failure.ts';
import { judgeRound } from './gate.ts';
import { runShards, shardsOf } from './shards.ts';
import { judgeTraining } from './training-verdict.ts';
import { countFrom, Halted, isBudgetSpent, spent } from './spending.ts';
import type { Spent } from '../activities/spent.ts';
import { STEPS, type RoundResult, type RoundStatus, type StepName, type StepStatus } from './status.ts';

export interface RoundInput {
  config: RunConfig;
  /** Counted from 1. */
  round: number;
  prompts: PromptSet;
  heldOut: PromptSet;
  /** The policy the run started from, with its answers. */
  start: Answers;
  /** The policy this round starts from: its reference policy. */
  previous: Answers;
  /** Of GPU workers: what the run may still spend. None: what it likes. */
  secondsLeft?: number;
}

export interface RoundOutput extends Spent {
  result: RoundResult;
  /** The trained policy, with its answers to the held-out prompts. */
  answers: Answers;
}

export const roundStatusQuery = defineQuery<RoundStatus>('status');
/** Has the round end after the step under way. */
export const haltSignal = defineSignal('halt');

/** Rounds of a run draw different random numbers, as do runs of neighbouring seeds. */
export const roundSeed = (seed: number, round: number) => seed * 1000 + round;

/**
 * Objectives whose reference responses are the start policy's, as their papers have it, and not those of the policy that the
 * round starts from.
 */
export const FROM_START: string[] = ['xpo', 'vpo'];

/** Objectives that look at no reference policy: what it says of the preferences is not computed. */
export const WITHOUT_REFERENCE: string[] = ['simpo'];

/** A round that was told to end before it was done, or has spent what was left of the budget. */
export interface HaltedRound extends Spent {
  halted: true;
}

/** @returns what the round came to, unless it ended before. Run again, it finds the steps made that are done. */
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
  const steps = Object.fromEntries(
    STEPS.map((name): [StepName, StepStatus] => [name, { state: 'waiting', done: 0, total: 1, reused: 0 }]),
  ) as Record<StepName, StepStatus>;
  let halting = false;
  setHandler(roundStatusQuery, () => ({ round, steps }));
  setHandler(haltSignal, () => void (halting = true));
  const seed = roundSeed(config.seed, round);
  const { policy } = previous;
  const { threads, device } = config;

  /** Runs a step of `total` activities, each of which calls `tick` when it ends. */
  const step = async <T>(name: StepName, total: number, work: (tick: (reused: boolean) => void) => Promise<T>) => {
    if (halting || isBudgetSpent()) throw new Halted();
    nameStep(name);
    const status = steps[name];
    Object.assign(status, { state: 'running', total });
    try {
      const result = await work((reused) => {
        status.done++;
        status.reused += Number(reused);
      });
      status.state = 'done';
      return result;
    } catch (error) {
      status.state = error instanceof Halted ? 'waiting' : 'failed';
      throw error instanceof TemporalFailure && !isCancellation(error)
        ? stepFailed(name, { seconds: spent() }, error)
        : error;
    }
  };

  const { shardSize, server, ...settings } = config.sample;
  const shards = shardsOf(prompts.count, shardSize);
  const shared = { prompts: prompts.address, seed, threads, device, ...(server && { server }) };
  const answersOf = async (of: Address, samplesPerPrompt: number, tick: (reused: boolean) => void) => {
    try {
      const input = { ...shared, policy: of, settings: { ...settings, samplesPerPrompt } };
      return await runShards('sample', input, shards, tick);
    } finally {
      // Where each worker has its own, none is known that has loaded it.
      if (server?.workers === 'control') await control.unloadAdapter({ policy: of, server });
    }
  };
  // In the first round the start policy's answers are among the round's.
  const fromStart = FROM_START.includes(config.optimize.objective.name) && policy !== start.policy;
  const { responses, references } = await step('sample', (fromStart ? 2 : 1) * shards.length, async (tick) => ({
    responses: await answersOf(policy, settings.samplesPerPrompt, tick),
    ...(fromStart && { references: await answersOf(start.policy, 1, tick) }),
  }));

  const { truncated } = config.label;
  const labeler = labelerSettings(config.label);
  const labeled = await step('label', shards.length + 1, async (tick) => {
    const answered = responses.map((shard) => ({ responses: shard }));
    const settings = { label: labeler, threads, ...(truncated === 'drop' && { truncated }) };
    const labels = await runShards('label', settings, answered, tick);
    const result = await control.prefer({ labels, truncated, ...(references && { references }) });
    tick(result.reused);
    return result;
  });

  const { learningRate, objective, checkpointSeconds, ...training } = config.optimize;
  const preferenceShards = WITHOUT_REFERENCE.includes(objective.name)
    ? []
    : shardsOf(labeled.summary.preferences, shardSize);
  const reference = await step('reference', preferenceShards.length, (tick) => {
    const limits = { maxLength: training.maxLength, maxPromptLength: training.maxPromptLength };
    return runShards(
      'reference',
      { policy, preferences: labeled.address, limits, threads, device },
      preferenceShards,
      tick,
    );
  });

  const rates = [learningRate].flat();
  const rate = rates[Math.min(round, rates.length) - 1];
  const optimized = await step('optimize', 1, async (tick) => {
    const result = await model.optimize({
      policy,
      preferences: labeled.address,
      reference,
      objective,
      training: { ...training, learningRate: rate },
      seed,
      threads,
      device,
      checkpointSeconds,
    });
    tick(result.reused);
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
    async (tick) => {
      const { sampled, ...answers } = await answerMeasured(config, optimized.address, heldOut, seed, tick);
      const compare = (by: Labeling, opponent: Answers) => compareAnswers(by, { ...answers, sampled }, opponent, tick);
      const againstStart = await compare(own, start);
      const againstPrevious = await compare(own, previous);
      if (!second) return { answers, againstStart, overPrevious: againstPrevious.summary };
      const secondStart = await compare(second, start);
      const secondPrevious = await compare(second, previous);
      const bySecond = { evaluation: secondStart.summary, overPrevious: secondPrevious.summary };
      return { answers, againstStart, overPrevious: againstPrevious.summary, bySecond };
    },
  );

  const { overPrevious, bySecond } = evaluated;
  const verdicts = [
    judgeTraining(training, rate, optimized.summary),
    judgeRound(config, overPrevious, bySecond?.overPrevious),
  ];
  const reasons = verdicts.flatMap((verdict) => verdict.reasons);
  return {
    answers: evaluated.answers,
    result: {
      round,
      policy: optimized.address,
      accepted: reasons.length === 0,
      reasons,
      warnings: verdicts.flatMap(({ warnings }) => warnings),
      ...(optimized.summary.unchanged && { unchanged: true }),
      label: labeled.summary,
      training: optimized.summary.metrics,
      evaluation: evaluated.againstStart.summary,
      winRateOverPrevious: overPrevious.against!.winRate,
      ...(bySecond && {
        secondJudge: {
          evaluation: bySecond.evaluation,
          winRateOverPrevious: bySecond.overPrevious.against!.winRate,
        },
      }),
      artifacts: { preferences: labeled.address, evaluation: evaluated.againstStart.address },
    },
  };
}
