/** The registry of benchmarks, and the two activities by which workflows run them. */
import type { Benchmark } from '../../config/benchmarks.ts';
import type { PromptRecord } from '../../data/records.ts';
import type { BenchmarkResult } from '../../evaluation/benchmarks/result.ts';
import type { Activity, Step, StepResult } from '../step.ts';
import { alpacaEval } from './alpaca-eval.ts';
import type { BenchmarkInput, BenchmarkKind, BenchmarkTurn, TurnInput } from './benchmark.ts';
import { ifeval } from './ifeval.ts';
import { lmEval } from './lm-eval.ts';
import { mtBench } from './mt-bench.ts';

/** To add a benchmark: its settings (config/benchmarks.ts, config/run/benchmarks.ts), its file here, and its entry. */
const kinds: { [Name in Benchmark['name']]: BenchmarkKind<Name> } = {
  ifeval,
  'lm-eval': lmEval,
  'mt-bench': mtBench,
  'alpaca-eval': alpacaEval,
};

/** The steps that measure, for recomputation. */
export const BENCHMARK_STEPS: Step<never, BenchmarkResult>[] = Object.values(kinds).map(({ measure }) => measure);

/** A benchmark of the registry. Its name selects an entry that takes its settings, which TypeScript cannot follow. */
const kindOf = ({ name }: Benchmark) => kinds[name] as unknown as BenchmarkKind<Benchmark['name']>;

/** The prompts of a benchmark's first turn. @throws InputError when one of its files cannot be read */
export const readInputs = (benchmark: Benchmark): Promise<PromptRecord[]> => kindOf(benchmark).readInputs(benchmark);

/** Stores the prompts of a benchmark's next turn. Without prompts for a benchmark that samples itself. */
export const benchmarkPrompts: Activity<TurnInput, BenchmarkTurn> = async (context, input, options) =>
  (await kindOf(input.benchmark).turn?.(context, input, options)) ?? { sets: [], more: false };

/** Measures a policy by a benchmark. */
export const benchmark: Activity<BenchmarkInput, StepResult<BenchmarkResult>> = (context, input, options) =>
  kindOf(input.benchmark).measure(context, input, options);
