/** What a benchmark gets, and what it is in the registry (index.ts). One file a benchmark. */
import type { Address } from '../../artifacts/manifest.ts';
import type { Benchmark } from '../../config/benchmarks.ts';
import type { PromptRecord } from '../../data/records.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ComputeSettings } from '../../engine/protocol/compute.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';
import type { VllmSettings } from '../../engine/vllm/spec.ts';
import type { BenchmarkResult } from '../../evaluation/benchmarks/result.ts';
import type { Step, StepContext } from '../step.ts';

/** A benchmark of this name, with its settings. */
type Named<Name extends Benchmark['name']> = Extract<Benchmark, { name: Name }>;

/** What a benchmark measures. */
export interface BenchmarkInput<Name extends Benchmark['name'] = Benchmark['name']> extends ComputeSettings {
  benchmark: Named<Name>;
  policy: Address;
  /** Responses to the benchmark's prompts, one artifact per shard. Empty for a benchmark that samples itself. */
  responses: Address[];
  seed: number;
  threads: number;
  /** Set if the run samples by the worker's own vLLM. */
  vllm?: VllmSettings;
}

/** Prompts that are sampled with the same settings. */
export interface BenchmarkPrompts {
  address: Address;
  count: number;
  settings: Pick<SamplingSettings, 'temperature' | 'maxNewTokens'>;
}

/** A turn of a benchmark: its prompts, and whether another turn follows. */
export interface BenchmarkTurn {
  sets: BenchmarkPrompts[];
  more: boolean;
}

export interface TurnInput<Name extends Benchmark['name'] = Benchmark['name']> {
  benchmark: Named<Name>;
  /** The responses to the turns before, one artifact per shard. */
  responses: Address[];
}

/** An entry of the registry. */
export interface BenchmarkKind<Name extends Benchmark['name']> {
  /**
   * Reads the files that the benchmark needs.
   * @returns the prompts of its first turn. Empty for a benchmark that samples itself
   * @throws InputError when one cannot be read
   */
  readInputs: (benchmark: Named<Name>) => Promise<PromptRecord[]>;
  /** Stores the prompts of the next turn. Absent for a benchmark that samples itself. */
  turn?: (context: StepContext, input: TurnInput<Name>, options: CallOptions) => Promise<BenchmarkTurn>;
  /** The step `benchmark-NAME`, whose summary is the result. */
  measure: Step<BenchmarkInput<Name>, BenchmarkResult>;
}
