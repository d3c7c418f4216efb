/** The format of docs/study-TASK.json, and the figures that the page and the plots use. */
import type { BenchmarkRow } from '../../evaluation/benchmarks/result.ts';
import { BASELINE } from './methods.ts';
import { estimateOf, less, type Estimate, type Value } from './statistics.ts';

/** Results of a policy on the held-out prompts. */
export interface Figures {
  strictPassRate: number;
  meanScore: number;
  tokens: number;
  /** Which responses pass, in the order of the prompts: 1 or 0 each. For tasks whose intervals are over prompts. */
  passes?: string;
}

/** Results of a round. */
export interface RoundFigures extends Figures {
  round: number;
  /** Number of preferences that the round trained on. */
  preferences: number;
  /** Win rate over the start policy; a tie counts half. */
  winRate: number;
  /** KL(policy || start policy) along greedy responses, in nats per response. Absent if it was not measured. */
  kl?: number;
}

/** Measures of the start policy on fresh responses. */
export interface StartFresh {
  /** Share of the responses that pass. */
  samplePassRate: number;
  /** Share of prompts with a response that passes. */
  coverage: number;
  /** Distinct responses to a prompt, mean over prompts. */
  distinct: number;
}

/** Measures of a trained policy on fresh responses. */
export interface Fresh extends StartFresh {
  /** KL(policy || start policy) along these responses, in nats per response: an unbiased estimate. */
  kl: number;
  /** Share of pairs whose better response has the greater implicit reward. Absent if there are no pairs. */
  rewardAccuracy?: number;
}

/** Measures of a policy that training does not aim at, as far as they were asked for. */
export interface Unseen {
  /** Which greedy responses follow all of IFBench's instructions to a prompt (loose accuracy): 1 or 0 for each prompt. */
  ifbench?: string;
  /** The figures of lm-evaluation-harness. */
  lmEval?: BenchmarkRow[];
}

/** Results of a run. */
export interface StudyRun {
  method: string;
  seed: number;
  start: Figures;
  rounds: RoundFigures[];
  /** Measures on fresh responses: of the start policy, and after the last round. Absent in benches that do not sample them. */
  startFresh?: StartFresh;
  fresh?: Fresh;
  /** Set with --unseen. */
  unseen?: { start: Unseen; last: Unseen };
  /** Why the run ended before its last round. */
  failed?: string;
}

/** The common settings of all runs. Results with other settings are discarded. */
export interface StudySettings {
  rounds: number;
  promptsPerRound: number;
  heldOut: number;
  /** Number of held-out prompts with fresh responses. */
  freshPrompts: number;
  threads: number;
  engine: string;
}

/** The content of docs/study-TASK.json. */
export interface StudyResults {
  task: string;
  /** The plan: runs that are not done are missing in `runs`. */
  seeds: number;
  methods: string[];
  settings: StudySettings;
  /** Where the runs were computed, and of which commits. */
  machines: string[];
  commits: string[];
  runs: StudyRun[];
}

/** The runs of a study or bench. */
export interface Runs {
  runs: StudyRun[];
}

export type Figure = Exclude<keyof RoundFigures, 'round' | 'passes'>;

/** A value of a run; undefined if the run has not come so far. */
export type ValueOf = (run: StudyRun) => Value | undefined;

/** The strict pass rate, by prompt if that is known. */
const strictPass = ({ passes, strictPassRate }: Figures): Value =>
  passes === undefined ? strictPassRate : Array.from(passes, Number);

/** A figure after a round. */
export const afterRound =
  (round: number, figure: Figure): ValueOf =>
  ({ rounds }) => {
    const found = rounds.find((one) => one.round === round);
    return found && (figure === 'strictPassRate' ? strictPass(found) : found[figure]);
  };

/** The values of a method's runs, by seed. */
function valuesBySeed({ runs }: Runs, method: string, valueOf: ValueOf): Map<number, Value> {
  const values = runs.flatMap((run) => {
    const value = run.method === method ? valueOf(run) : undefined;
    return value === undefined ? [] : [[run.seed, value] as const];
  });
  return new Map(values);
}

/** The mean over seeds of a value. Undefined if no run has it. */
export function meanValue(results: Runs, method: string, valueOf: ValueOf): Estimate | undefined {
  const values = valuesBySeed(results, method, valueOf);
  return values.size > 0 ? estimateOf([...values.values()]) : undefined;
}

/**
 * The mean difference to the baseline's run with the same seed, over seeds for which both runs have the value.
 * @param comparisons see {@link estimateOf}
 */
export function differenceInValue(
  results: Runs,
  method: string,
  valueOf: ValueOf,
  baselineMethod: string = BASELINE,
  comparisons = 1,
): Estimate | undefined {
  const baseline = valuesBySeed(results, baselineMethod, valueOf);
  const differences = [...valuesBySeed(results, method, valueOf)].flatMap(([seed, value]) => {
    const other = baseline.get(seed);
    return other === undefined ? [] : [less(value, other)];
  });
  return differences.length > 0 ? estimateOf(differences, comparisons) : undefined;
}

/** The mean over seeds of a figure after a round. Undefined if no run has finished the round. */
export const meanOf = (results: Runs, method: string, round: number, figure: Figure): Estimate | undefined =>
  meanValue(results, method, afterRound(round, figure));

/** The mean difference in a figure to the baseline's run with the same seed, over seeds for which both runs have finished the round. */
export const differenceOf = (
  results: Runs,
  method: string,
  round: number,
  figure: Figure,
  baselineMethod: string = BASELINE,
): Estimate | undefined => differenceInValue(results, method, afterRound(round, figure), baselineMethod);

/** The mean gain in the strict pass rate over the start policy. Undefined if no run has finished the round. */
export const gainOf = (results: Runs, method: string, round: number): Estimate | undefined =>
  meanValue(results, method, (run) => {
    const after = afterRound(round, 'strictPassRate')(run);
    return after === undefined ? undefined : less(after, strictPass(run.start));
  });

/** The start policy's strict pass rate. It is the same in all runs. */
export const startOf = ({ runs }: Runs): Estimate | undefined =>
  runs.length > 0 ? estimateOf([strictPass(runs[0].start)]) : undefined;

/** Whether the intervals of strict pass rates are over prompts. */
export const isByPrompt = ({ runs }: Runs): boolean =>
  runs.length > 0 && runs.every(({ start }) => start.passes !== undefined);
