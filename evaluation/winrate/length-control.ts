/**
 * The length-controlled win rate (Dubois et al. 2024, arXiv 2404.04475), as alpaca_eval 0.6.6 computes it: a logistic model of
 * the preference has a term for the difference in length, and the win rate is its prediction for equal lengths.
 */
import { mean, sigmoid } from '../../data/numbers.ts';
import { uniformStream } from '../../data/random.ts';
import { bootstrapInterval, standardDeviation, standardError, type Interval } from '../statistics.ts';
import { fitCrossValidated, fitLogistic, FOLDS, WEAKEST, type Observation } from './logistic.ts';

/** One prompt's comparison. Lengths are in characters. */
interface LengthComparison {
  /** 1: the model is preferred, 0: the baseline, or a probability. Absent if the annotator gave no preference. */
  outcome?: number;
  modelLength: number;
  baselineLength: number;
  /** Difficulty of the prompt, from a fit to many models. Given for all prompts or for none. */
  difficulty?: number;
}

/** A comparison of the baseline with itself when instructed to be brief or verbose. It shows the effect of length alone. */
export interface GamedComparison {
  outcome: number;
  /** Its tanh is the length term. */
  standardizedDifference: number;
  difficulty: number;
}

interface LengthControlledWinRate {
  /** Share in [0, 1]. */
  winRate: number;
  /** Standard error of the mean prediction over prompts; 0 without difficulties, as all predictions are the same then. */
  standardError: number;
  /**
   * 95 % bootstrap interval over prompts, of fits with the weakest penalty. With the penalty that the cross-validation chooses, the win
   * rate of few prompts is often exactly one half, in every resample: the interval would be a point.
   */
  interval: Interval;
  /** Coefficients of the length term, the difficulty (if given) and the model. */
  coefficients: { length: number; difficulty?: number; model: number };
}

/** Both gamed baselines together have a fifth of the weight of the model's own comparisons. */
const GAMED_WEIGHT = 0.2 / 2;
const RESAMPLES = 1000;

/**
 * Computes the length-controlled win rate.
 * @param seed of the bootstrap interval
 * @returns undefined for fewer comparisons than folds of the cross-validation
 */
export function lengthControlledWinRate(
  comparisons: LengthComparison[],
  seed: number,
  gamed: GamedComparison[] = [],
): LengthControlledWinRate | undefined {
  const difficult = comparisons[0]?.difficulty !== undefined;
  const own = observe(comparisons);
  if (own.length < FOLDS) return undefined;
  const theirs = gamed.map(({ outcome, standardizedDifference, difficulty }) => ({
    features: [Math.tanh(standardizedDifference), ...(difficult ? [difficulty] : []), 0],
    target: outcome,
    weight: GAMED_WEIGHT,
  }));
  const coefficients = fitCrossValidated([...theirs, ...own]);
  const predictions = predict(comparisons, coefficients);
  const [length, ...rest] = coefficients;
  return {
    winRate: mean(predictions),
    standardError: standardError(predictions),
    interval: interval(comparisons, theirs, coefficients, seed),
    coefficients: { length, ...(difficult && { difficulty: rest[0] }), model: rest.at(-1)! },
  };
}

/** The comparisons with an outcome, and their features: length term, difficulty, model (always 1). */
function observe(comparisons: LengthComparison[]): Observation[] {
  const differences = comparisons.map(({ modelLength, baselineLength }) => baselineLength - modelLength);
  // If all differences are the same, length explains nothing.
  const spread = standardDeviation(differences);
  return comparisons.flatMap(({ outcome, difficulty }, i) =>
    outcome === undefined
      ? []
      : [
          {
            features: [spread > 0 ? Math.tanh(differences[i] / spread) : 0, ...difficultyOf(difficulty), 1],
            target: outcome,
            weight: 1,
          },
        ],
  );
}

const difficultyOf = (difficulty: number | undefined) => (difficulty === undefined ? [] : [difficulty]);

/** For each prompt the probability that the model is preferred, if both responses had the same length. */
function predict(comparisons: LengthComparison[], coefficients: number[]): number[] {
  return comparisons.map(({ difficulty }) => {
    const features = [0, ...difficultyOf(difficulty), 1];
    return sigmoid(features.reduce((total, value, i) => total + value * coefficients[i], 0));
  });
}

function interval(comparisons: LengthComparison[], gamed: Observation[], start: number[], seed: number): Interval {
  const next = uniformStream(seed, 'length control');
  const draw = () => comparisons[Math.floor(next() * comparisons.length)];
  const rates = Array.from({ length: RESAMPLES }, () => {
    const drawn = comparisons.map(draw);
    const own = observe(drawn);
    // None of the resampled comparisons has an outcome.
    return own.length === 0 ? 0.5 : mean(predict(drawn, fitLogistic([...gamed, ...own], WEAKEST, start)));
  });
  return bootstrapInterval(Float64Array.from(rates));
}
