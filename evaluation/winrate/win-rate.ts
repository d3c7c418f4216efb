/** How often a model is preferred over a baseline, as AlpacaEval counts it, and how sure that is. */
import { bootstrapMean, mean, type Interval } from '../statistics.ts';

export interface WinRate {
  /** Share in [0, 1]: the mean of the outcomes; a tie counts half. */
  winRate: number;
  /** Of the mean: the sample's standard deviation over the square root of its size. Absent for a single comparison. */
  standardError?: number;
  /** 95 % bootstrap interval, over prompts. */
  interval: Interval;
  wins: number;
  ties: number;
  losses: number;
}

/** @param outcomes 1 where the model is preferred, 0 where the baseline is, 0.5 for a tie; probabilities in between count as they are */
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

export function standardDeviation(values: number[]): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((total, value) => total + (value - center) ** 2, 0) / (values.length - 1));
}

export const standardError = (values: number[]) => standardDeviation(values) / Math.sqrt(values.length);
