/** The format of bench/results.json, and the figures of the page and the goals. */
import { quantile } from '../evaluation/statistics.ts';
import type { Agreement } from './agreement.ts';
import type { Side } from './cases.ts';
import type { Measurement } from './measurement.ts';

interface SideResult {
  /** Why there is nothing, or no more, measured. */
  missing?: string;
  runs: Measurement[];
}

export interface CaseResult {
  name: string;
  sides: Partial<Record<Side, SideResult>>;
  agreement?: Agreement;
  /** Floating-point operations of one step: flops.ts. */
  stepFlops?: number;
}

export interface Results {
  machine: string;
  threads: number;
  versions: Record<string, string>;
  cases: CaseResult[];
}

/** A figure of a case's side: the median of its runs. Undefined where it was not measured. */
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

export const seconds = (run: Measurement) => run.seconds;
export const memory = (run: Measurement) => run.peakMegabytes;
export const gigabytes = (run: Measurement) => (run.peakMegabytes * 2 ** 20) / 1e9;
export const rate = (run: Measurement) => run.tokens && run.tokens / run.seconds;
export const decodeRate = (run: Measurement) =>
  run.decodedTokens && run.decodeSeconds && run.decodedTokens / run.decodeSeconds;
/** What the prompts took, with one token each. */
export const promptSeconds = (run: Measurement) => run.decodeSeconds && run.seconds - run.decodeSeconds;

/** a / b, where both are known. */
export const ratio = (a: number | undefined, b: number | undefined) =>
  a !== undefined && b !== undefined ? a / b : undefined;

/** The rate at which large matrices are multiplied here, in GFLOP/s: of the library that is faster at it. */
export function machineRate(results: Results): number | undefined {
  const rates = (['selm', 'pytorch'] as const).flatMap(
    (side) => figure(results, 'matmul', side, (run) => run.gigaflops) ?? [],
  );
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

/** The rate at which memory is read here, in GB/s. */
export const readRate = (results: Results) => figure(results, 'matmul', 'selm', (run) => run.gigabytesPerSecond);

/** The share of the machine's rate that an optimize step reaches, without the references' part. */
export function stepShare(results: Results): number | undefined {
  const { stepFlops } = results.cases.find(({ name }) => name === 'optimize') ?? {};
  const step = figure(results, 'optimize', 'selm', (run) => run.seconds - (run.referenceSeconds ?? 0));
  const machine = machineRate(results);
  return stepFlops && step && machine && stepFlops / step / 1e9 / machine;
}

/** The share of a round that passes outside the engine. */
export const overhead = (run: Measurement) =>
  run.engineSeconds === undefined ? undefined : 1 - run.engineSeconds / run.seconds;
