/** The format of docs/study.json, and the figures that the page and the plots use. */
import { BASELINE } from './methods.ts';
import { estimate, type Estimate } from './statistics.ts';

/** Results of a policy on the held-out prompts. */
export interface Figures {
  strictPassRate: number;
  meanScore: number;
  tokens: number;
}

/** Results of a round. */
export interface RoundFigures extends Figures {
  round: number;
  /** Number of preferences that the round trained on. */
  preferences: number;
  /** Win rate over the start policy; a tie counts half. */
  winRate: number;
  /** KL(policy || start policy), in nats per response. */
  kl: number;
}

/** Results of a run. */
export interface StudyRun {
  method: string;
  seed: number;
  start: Figures;
  rounds: RoundFigures[];
  /** Why the run ended before its last round. */
  failed?: string;
}

/** The common settings of all runs. Results with other settings are discarded. */
export interface StudySettings {
  seeds: number;
  rounds: number;
  promptsPerRound: number;
  heldOut: number;
  threads: number;
  engine: string;
}

/** The content of docs/study.json. */
export interface StudyResults {
  settings: StudySettings;
  runs: StudyRun[];
}

export type Figure = Exclude<keyof RoundFigures, 'round'>;

/** A figure of a method after a round, by seed. Runs that have not finished the round are excluded. */
function figuresOf({ runs }: StudyResults, method: string, round: number, figure: Figure): Map<number, number> {
  const values = new Map<number, number>();
  for (const run of runs) {
    const at = run.method === method ? run.rounds.find((one) => one.round === round) : undefined;
    if (at) values.set(run.seed, at[figure]);
  }
  return values;
}

/** The mean over seeds. Undefined if no run has finished the round. */
export function meanOf(results: StudyResults, method: string, round: number, figure: Figure): Estimate | undefined {
  const values = figuresOf(results, method, round, figure);
  return values.size > 0 ? estimate([...values.values()]) : undefined;
}

/** The mean difference to the baseline's run with the same seed, over seeds for which both runs have finished the round. */
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
