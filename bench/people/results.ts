/** The format of bench/people/results.json. */
import type { AskSettings } from '../../labelers/people/settings.ts';
import type { StudyRun } from '../study/results.ts';

/** What all runs have in common. Results with other settings are discarded. */
export interface BenchSettings {
  rounds: number;
  promptsPerRound: number;
  heldOut: number;
  /** Votes in each round. */
  votes: number;
  /** The probability that a voter prefers the worse response. */
  noise: number;
  epochs: number;
  threads: number;
  engine: string;
}

/** The runs have strategies as methods. */
export interface BenchResults {
  settings: BenchSettings;
  runs: StudyRun[];
}

/** The strategy that all others are compared with. */
export const BASELINE: AskSettings['strategy'] = 'random';
