/** The workflow of a round, one SELM iteration: sample, label, reference, optimize, evaluate. */
import type { Address } from '../artifacts/manifest.ts';
import type { PromptSet } from '../activities/prepare.ts';
import { needsOf } from '../engine/protocol/objectives.ts';
import { heldOutLabeler, labelerSettings } from '../labelers/needs.ts';
import {
  answerMeasured,
  compareAnswers,
  comparisonActivities,
  measuringActivities,
  type Answers,
  type Labeling,
} from './answers.ts';
import { activitiesOf } from './activities.ts';
import { poolOf } from '../config/pools.ts';
import type { RunConfig } from '../config/run.ts';
import type { RunningStep } from './place.ts';
import { labelByPeople, peopleActivities, type LateVotes, type Voted } from './people/label.ts';
import { tellRun } from './people/progress.ts';
import { takeVoting } from './people/voting.ts';
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
  /** Votes on the questions of earlier rounds that came too late for them. */
  late?: LateVotes[];
  /** Everybody with a vote in an earlier round of the run. */
  earlierVoters?: string[];
  /** The questions of a voting that an operator has closed. If this round asks them, it goes on with the votes that are in. */
  closeVoting?: Address;
}

export interface RoundOutput extends Spent {
  result: RoundResult;
  /** The trained policy, with its held-out responses. */
  answers: Answers;
  /** What people were asked, and their votes. */
  voted?: Voted;
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
  late = [],
  earlierVoters,
  closeVoting,
}: RoundInput): Promise<Omit<RoundOutput, 'seconds'>> {
  const { step, show, isHalting } = runSteps(round, poolOf(config), () => voting.status());
  const tell = tellRun();
  const voting = takeVoting(round, () => {
    show();
    tell(voting.status());
  });
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

  const { label } = config;
  const { truncated } = label;
  const labeler = labelerSettings(label);
  const labeling = labeler && { label: labeler, ...compute, ...(truncated === 'drop' && { truncated }) };
  const asking = label.by === 'people' && { label, late };
  const activities = (labeling ? shards.length : 0) + (asking ? peopleActivities(asking, shards.length) : 0) + 1;
  const labeled = await step('label', activities, async (running) => {
    const sampled = responses.map((shard) => ({ responses: shard }));
    const scored = labeling && (await runShards(running, 'label', labeling, sampled));
    const source = { responses, references, policy, start: start.policy, beta: config.optimize.objective.beta };
    const asked = { voting, isHalting, closeVoting };
    const made = asking
      ? await labelByPeople(running, asked, {
          ...asking,
          ...source,
          ...(scored && { otherwise: scored }),
          seed,
          ...compute,
        })
      : { labels: scored!, references };
    const { control } = activitiesOf(running.place);
    const { labels, references: others } = made;
    const result = await control.prefer({ labels, truncated, ...(others && { references: others }) });
    running.tick(result.reused);
    return { ...result, ...('voted' in made && { voted: made.voted }) };
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
    const result = await activitiesOf(running.place)
      .model(running.pool)
      .optimize({
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
  const own = { ...config, label: heldOutLabeler(config) };
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
    ...(labeled.voted && { voted: labeled.voted }),
    result: resultOf({ config, round, earlierVoters, learningRate: rate, labeled, optimized, evaluated }),
  };
}
