/** The win rate of a model over a baseline as in AlpacaEval, with standard error and bootstrap interval. */
import { mean } from '../../data/numbers.ts';
import { bootstrapMean, standardError, type Interval } from '../statistics.ts';

interface WinRate {
  /** Share in [0, 1]: the mean of the outcomes; a tie counts half. */
  winRate: number;
  /** Standard error of the win rate. Absent for a single comparison. */
  standardError?: number;
  /** 95 % bootstrap interval over prompts. */
  interval: Interval;
  wins: number;
  ties: number;
  losses: number;
}

/** Computes a win rate. @param outcomes per prompt: 1 if the model is preferred, 0 if the baseline is, 0.5 for a tie, or a probability */
export function winRateOf(outcomes: number[], seed: number): WinRate {
  return {
    winRate: mean(outcomes),
    ...(outcomes.length > 1 && { standardError: standardError(outcomes) }),
    interval: bootstrapMean(outcomes, seed),
    wins: outcomes.filter((outcome) => outcome > 0.5).length,
    ties: outcomes.filter((outcome) => outcome === 0.5).length,
    losses: outcomes.filter((outcome) => outcome < 0.5).length,
  };
}
