/** Benchmarks of the start policy and of a run's rounds: which are due, and how one runs. */
import type { Address } from '../artifacts/manifest.ts';
import { benchmarkOf, type Benchmark } from '../config/benchmarks.ts';
import { configOfRound } from '../config/changes.ts';
import { poolOf } from '../config/pools.ts';
import type { RunConfig } from '../config/run.ts';
import { benchmarkSampling } from '../evaluation/benchmarks/sampling.ts';
import { activitiesOf } from './activities.ts';
import { BENCHMARKS } from './failure.ts';
import { isStopping, roundsOf, type Journal } from './journal.ts';
import type { RunningStep } from './place.ts';
import { GREEDY } from './round-plan.ts';
import { samplersOf, sampleShards } from './samplers.ts';
import { shardsOf } from './shards.ts';
import type { MeasuredBenchmark } from './status.ts';

/** A benchmark that a run has not done yet. */
export interface DueBenchmark {
  round: number;
  policy: Address;
  benchmark: Benchmark;
}

/**
 * The first benchmark that is due. An operator who stops a run stops its benchmarks, too; a run that its gate has stopped still measures
 * the policies that it has.
 */
export function dueBenchmark(given: RunConfig, journal: Journal): DueBenchmark | undefined {
  const { start, done, round, changes, repairing, stoppedByGate } = journal;
  // After a repair, the results of benchmarks are collected again.
  if (!start || (isStopping(journal) && !stoppedByGate && repairing === undefined)) return undefined;
  // Undefined in runs that were started by a version without benchmarks.
  const { benchmarks = [], benchmarksWhen = 'end' } = configOfRound(given, changes, round).evaluate;
  const isEnd = round > roundsOf(given, journal) || (stoppedByGate && isStopping(journal));
  const accepted = done.filter(({ result }) => result.accepted);
  const rounds = { end: isEnd ? accepted.slice(-1) : [], accepted, 'every-round': done }[benchmarksWhen];
  const policies = [
    { round: 0, policy: start.answers.policy },
    ...rounds.map(({ result, answers }) => ({ round: result.round, policy: answers.policy })),
  ];
  const isDone = (of: number, { name }: Benchmark) =>
    journal.benchmarks?.some((measured) => measured.round === of && measured.benchmark === name);
  return policies
    .flatMap((policy) => benchmarks.map((entry) => ({ ...policy, benchmark: benchmarkOf(entry) })))
    .find((due) => !isDone(due.round, due.benchmark));
}

/** Goes on without the benchmark that has failed. */
export function skipBenchmark(config: RunConfig, journal: Journal): void {
  // Absent if the settings have changed meanwhile.
  const due = dueBenchmark(config, journal);
  if (!due) return;
  const { round, policy, benchmark } = due;
  (journal.benchmarks ??= []).push({ round, policy, benchmark: benchmark.name, rows: [] });
}

/** Whether a benchmark's step runs a model itself, so that it belongs on a GPU worker: the policy, or a judge on the engine. */
const runsModel = (benchmark: Benchmark): boolean =>
  benchmark.name === 'lm-eval' || (benchmark.name === 'mt-bench' && benchmark.judge.server === undefined);

/** Samples a policy's responses to the benchmark's prompts, turn by turn, and measures them. */
export async function runBenchmark(
  config: RunConfig,
  { round, policy, benchmark }: DueBenchmark,
): Promise<MeasuredBenchmark> {
  const place = { ...(round > 0 && { round }), step: BENCHMARKS } as const;
  const step: RunningStep = { place, pool: poolOf(config), tick: () => {} };
  const { control, model } = activitiesOf(place);
  const { threads, backend, device, gpus, seed } = config;
  const responses: Address[] = [];
  for (let more = true; more;) {
    const turn = await control.benchmarkPrompts({ benchmark, responses });
    for (const { address, count, settings } of turn.sets) {
      responses.push(...(await sampleSet(step, config, policy, { address, count, settings })));
    }
    ({ more } = turn);
  }
  const { vllm } = samplersOf(config);
  const input = { benchmark, policy, responses, seed, threads, backend, device, gpus, ...(vllm && { vllm }) };
  const { address, summary } = await (runsModel(benchmark) ? model(step.pool) : control).benchmark(input);
  return { round, policy, address, ...summary };
}

type Set = Awaited<ReturnType<ReturnType<typeof activitiesOf>['control']['benchmarkPrompts']>>['sets'][number];

function sampleSet(
  step: RunningStep,
  config: RunConfig,
  policy: Address,
  { address, count, settings }: Set,
): Promise<Address[]> {
  const { batchSize, shardSize } = config.evaluate;
  const shared = {
    prompts: address,
    settings: benchmarkSampling({ batchSize, ...settings }),
    seed: settings.temperature === 0 ? GREEDY.seed : config.seed,
    threads: config.threads,
    ...samplersOf(config),
  };
  return sampleShards(step, shared, policy, shardsOf(count, shardSize));
}
