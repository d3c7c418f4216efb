/** What docs/study.json holds, and the figures that page and plots take from it. */
import { BASELINE } from './methods.ts';
import { estimate, type Estimate } from './statistics.ts';

/** A policy on the held-out prompts. */
export interface Figures {
  strictPassRate: number;
  meanScore: number;
  tokens: number;
}

export interface RoundFigures extends Figures {
  round: number;
  /** That the round has trained on. */
  preferences: number;
  /** Over the start; a tie counts half. */
  winRate: number;
  /** From the start, nats per answer. */
  kl: number;
}

export interface StudyRun {
  method: string;
  seed: number;
  start: Figures;
  rounds: RoundFigures[];
  /** Why it ended before its last round. */
  failed?: string;
}

/** What the runs have in common: results of other settings are another study's. */
export interface StudySettings {
  seeds: number;
  rounds: number;
  promptsPerRound: number;
  heldOut: number;
  threads: number;
  engine: string;
}

export interface StudyResults {
  settings: StudySettings;
  runs: StudyRun[];
}

export type Figure = Exclude<keyof RoundFigures, 'round'>;

/** A figure of a method's runs after a round, by seed; only of those that got so far. */
function figuresOf({ runs }: StudyResults, method: string, round: number, figure: Figure): Map<number, number> {
  const values = new Map<number, number>();
  for (const run of runs) {
    const at = run.method === method ? run.rounds.find((one) => one.round === round) : undefined;
    if (at) values.set(run.seed, at[figure]);
  }
  return values;
}

/** The mean over seeds; none where no run has got so far. */
export function meanOf(results: StudyResults, method: string, round: number, figure: Figure): Estimate | undefined {
  const values = figuresOf(results, method, round, figure);
  return values.size > 0 ? estimate([...values.values()]) : undefined;
}

/** The mean difference to the baseline's run of the same seed, over the seeds that both have. */
export function differenceOf(
  results: StudyResults,
  method: string,
  round: number,
  figure: Figure,
): Estimate | undefined {
  const baseline = figuresOf(results, BASELINE, round, figure);
  const differences = [...figuresOf(results, method, round, figure)].flatMap(([seed, value]) => {
    const other = baseline.get(seed);
    return other === undefined ? [] : [value - other];
  });
  return differences.length > 0 ? estimate(differences) : undefined;
}
