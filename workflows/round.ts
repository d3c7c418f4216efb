/** The workflow of a round, one SELM iteration: sample, label, reference, optimize, evaluate. */
import type { Address } from '../artifacts/manifest.ts';
import type { PromptSet } from '../activities/prepare.ts';
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
import { learningRateOf, lengthLimits, needsStartResponses, referenceShards, roundSeed } from './round-plan.ts';
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

/** What the steps of a round have in common. */
interface RoundContext extends RoundInput, ReturnType<typeof runSteps> {
  voting: ReturnType<typeof takeVoting>;
  seed: number;
  compute: Pick<RunConfig, 'threads' | 'backend' | 'device' | 'gpus'>;
}

async function runRound(input: RoundInput): Promise<Omit<RoundOutput, 'seconds'>> {
  const { config, round, earlierVoters, previous } = input;
  const steps = runSteps(round, poolOf(config), () => voting.status());
  const tell = tellRun();
  const voting = takeVoting(round, () => {
    steps.show();
    tell(voting.status());
  });
  const { threads, backend, device, gpus } = config;
  const seed = roundSeed(config.seed, round);
  const context: RoundContext = { ...input, ...steps, voting, seed, compute: { threads, backend, device, gpus } };
  const sampled = await sampleStep(context);
  const labeled = await labelStep(context, sampled);
  const reference = await referenceStep(context, labeled);
  const training = {
    policy: previous.policy,
    preferences: labeled.address,
    reference,
    learningRate: learningRateOf(config.optimize, round),
  };
  const optimized = await optimizeStep(context, training);
  const evaluated = await evaluateStep(context, optimized.address);
  const { learningRate } = training;
  return {
    answers: evaluated.answers,
    ...(labeled.voted && { voted: labeled.voted }),
    result: resultOf({ config, round, earlierVoters, learningRate, labeled, optimized, evaluated }),
  };
}

/** The policy's responses by shard, and if the objective needs them the start policy's. */
interface Sampled {
  responses: Address[];
  references?: Address[];
}

function sampleStep({ config, prompts, previous, start, seed, compute, step }: RoundContext): Promise<Sampled> {
  const { shardSize, server: _server, backend: _sampler, vllm: _vllm, ...settings } = config.sample;
  const shards = shardsOf(prompts.count, shardSize);
  const shared = { prompts: prompts.address, seed, threads: compute.threads, ...samplersOf(config) };
  const sampleFrom = (running: RunningStep, source: Address, samplesPerPrompt: number) =>
    sampleShards(running, { ...shared, settings: { ...settings, samplesPerPrompt } }, source, shards);
  const fromStart = needsStartResponses(config, previous.policy, start.policy);
  return step('sample', (fromStart ? 2 : 1) * shards.length, async (running) => ({
    responses: await sampleFrom(running, previous.policy, settings.samplesPerPrompt),
    ...(fromStart && { references: await sampleFrom(running, start.policy, 1) }),
  }));
}

/** Labels the responses, by a labeler, by people, or by both, and derives the preferences. */
function labelStep(
  { config, previous, start, late = [], closeVoting, seed, compute, step, voting, isHalting }: RoundContext,
  { responses, references }: Sampled,
) {
  const { label } = config;
  const { truncated } = label;
  const labeler = labelerSettings(label);
  const labeling = labeler && { label: labeler, ...compute, ...(truncated === 'drop' && { truncated }) };
  const asking = label.by === 'people' && { label, late };
  const shards = responses.length;
  const activities = (labeling ? shards : 0) + (asking ? peopleActivities(asking, shards) : 0) + 1;
  return step('label', activities, async (running) => {
    const sampled = responses.map((shard) => ({ responses: shard }));
    const scored = labeling && (await runShards(running, 'label', labeling, sampled));
    const { beta } = config.optimize.objective;
    const source = { responses, references, policy: previous.policy, start: start.policy, beta };
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
}

type Labeled = Awaited<ReturnType<typeof labelStep>>;

/** Log-probabilities of the preferences under the reference policy, by shard. */
function referenceStep(
  { config, previous, compute, step }: RoundContext,
  { address: preferences, summary }: Labeled,
): Promise<Address[]> {
  const { policy } = previous;
  const shards = referenceShards(config, summary.preferences);
  return step('reference', shards.length, (running) => {
    // Undefined in runs that were started by a version without this setting.
    const server = config.sample.server?.logprobs ? config.sample.server : undefined;
    const limits = lengthLimits(config.optimize);
    const input = { policy, preferences, limits, ...compute, ...(server && { server }) };
    return thenUnload(running, policy, server, () => runShards(running, 'reference', input, shards));
  });
}

function optimizeStep(
  { config, seed, compute, step }: RoundContext,
  { learningRate, ...given }: { policy: Address; preferences: Address; reference: Address[]; learningRate: number },
) {
  const { objective, checkpointSeconds, ...settings } = config.optimize;
  return step('optimize', 1, async (running) => {
    const training = { ...settings, learningRate };
    const result = await activitiesOf(running.place)
      .model(running.pool)
      .optimize({ ...given, objective, training, seed, ...compute, checkpointSeconds });
    running.tick(result.reused);
    return result;
  });
}

/** Compares the trained policy with the policy that the run started from, and with that of this round. */
function evaluateStep({ config, heldOut, start, previous, seed, step }: RoundContext, policy: Address) {
  const shards = shardsOf(heldOut.count, config.evaluate.shardSize).length;
  const { secondJudge } = config.evaluate;
  const own = { ...config, label: heldOutLabeler(config) };
  const second = secondJudge && { ...config, label: secondJudge };
  const activities =
    measuringActivities(config, shards) +
    2 * comparisonActivities(own, shards) +
    (second ? 2 * comparisonActivities(second, shards) : 0);
  return step('evaluate', activities, async (running) => {
    const { sampled, ...answers } = await answerMeasured(running, config, policy, heldOut, seed);
    const compare = (by: Labeling, opponent: Answers) => compareAnswers(running, by, { ...answers, sampled }, opponent);
    const againstStart = await compare(own, start);
    const againstPrevious = await compare(own, previous);
    if (!second) return { answers, againstStart, overPrevious: againstPrevious.summary };
    const secondStart = await compare(second, start);
    const secondPrevious = await compare(second, previous);
    const bySecond = { evaluation: secondStart.summary, overPrevious: secondPrevious.summary };
    return { answers, againstStart, overPrevious: againstPrevious.summary, bySecond };
  });
}
