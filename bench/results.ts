/** The format of bench/results.json, and the figures of the page and the goals. */
import { quantile } from '../evaluation/statistics.ts';
import type { Agreement } from './agreement.ts';
import type { Side } from './cases.ts';
import type { Measurement } from './measurement.ts';

interface SideResult {
  /** Why measurements are missing. */
  missing?: string;
  runs: Measurement[];
  /** For generate: the share of tokens that equal transformers' float32 tokens. */
  equalTokens?: number;
}

/** The results of a case on all its sides. */
export interface CaseResult {
  name: string;
  /** The commit that was measured. Absent outside a git repository. */
  commit?: string;
  sides: Partial<Record<Side, SideResult>>;
  agreement?: Agreement;
  /** Floating-point operations of one step (see flops.ts). */
  stepFlops?: number;
}

/** The content of bench/results.json. */
export interface Results {
  machine: string;
  threads: number;
  versions: Record<string, string>;
  cases: CaseResult[];
}

/** The median of a figure over the runs of a case's side. Undefined if it was not measured. */
export function figure(
  results: Results,
  name: string,
  side: Side,
  of: (run: Measurement) => number | undefined,
): number | undefined {
  const runs = results.cases.find((result) => result.name === name)?.sides[side]?.runs ?? [];
  const values = Float64Array.from(runs.flatMap((run) => of(run) ?? [])).sort();
  return values.length > 0 ? quantile(values, 0.5) : undefined;
}

/** Time in seconds. */
export const seconds = (run: Measurement) => run.seconds;
/** Peak memory in MiB. */
export const memory = (run: Measurement) => run.peakMebibytes;
/** Peak memory in GB. */
export const gigabytes = (run: Measurement) => (run.peakMebibytes * 2 ** 20) / 1e9;
/** Tokens per second, including prompt processing. */
export const rate = (run: Measurement) => run.tokens && run.tokens / run.seconds;
/** Tokens per second from the start of the process: its start and opening the model are included. */
export const rateFromStart = (run: Measurement) =>
  run.tokens && run.startSeconds && run.tokens / (run.startSeconds + run.seconds);
/** Tokens per second of decoding, without prompt processing. */
export const decodeRate = (run: Measurement) =>
  run.decodedTokens && run.decodeSeconds && run.decodedTokens / run.decodeSeconds;
/** Seconds for prompt processing, including the first token of each response. */
export const promptSeconds = (run: Measurement) => run.decodeSeconds && run.seconds - run.decodeSeconds;

/** a / b; undefined if one of them is undefined. */
export const ratio = (a: number | undefined, b: number | undefined) =>
  a !== undefined && b !== undefined ? a / b : undefined;

/** This machine's rate for products of large matrices, in GFLOP/s: the higher rate of selm and PyTorch. */
export function machineRate(results: Results): number | undefined {
  const rates = (['selm', 'pytorch'] as const).flatMap(
    (side) => figure(results, 'matmul', side, (run) => run.gigaflops) ?? [],
  );
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

/** This machine's memory read rate, in GB/s. */
export const readRate = (results: Results) => figure(results, 'matmul', 'selm', (run) => run.gigabytesPerSecond);

/** The rate of an optimize step, without its reference log-probabilities, as a share of the machine's rate. */
export function stepShare(results: Results): number | undefined {
  const { stepFlops } = results.cases.find(({ name }) => name === 'optimize') ?? {};
  const step = figure(results, 'optimize', 'selm', (run) => run.seconds - (run.referenceSeconds ?? 0));
  const machine = machineRate(results);
  return stepFlops && step && machine && stepFlops / step / 1e9 / machine;
}

/** The share of a round's time that is spent outside the engine. */
export const overhead = (run: Measurement) =>
  run.engineSeconds === undefined ? undefined : 1 - run.engineSeconds / run.seconds;
