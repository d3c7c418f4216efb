/**
 * The length-controlled win rate (Dubois et al. 2024, arXiv 2404.04475), as alpaca_eval 0.6.6 computes it: a logistic model of
 * the preference with a term for the difference of the answers' lengths; then what it predicts were there no difference.
 */
import { uniformStream } from '../../data/random.ts';
import { bootstrapInterval, mean, type Interval } from '../statistics.ts';
import { fitCrossValidated, fitLogistic, FOLDS, sigmoid, type Fit, type Observation } from './logistic.ts';
import { standardDeviation, standardError } from './win-rate.ts';

/** One prompt's comparison. Lengths are in characters. */
export interface LengthComparison {
  /** 1 where the model is preferred, 0 where the baseline is, between them otherwise. Absent where nobody judged. */
  outcome?: number;
  modelLength: number;
  baselineLength: number;
  /** How hard the prompt is for all models, from a fit to many of them. Given for all prompts or for none. */
  difficulty?: number;
}

/** A comparison of the baseline with itself told to be brief or wordy: what length alone does. Weighs little. */
export interface GamedComparison {
  outcome: number;
  /** tanh of it is the length term. */
  standardizedDifference: number;
  difficulty: number;
}

export interface LengthControlledWinRate {
  /** Share in [0, 1]. */
  winRate: number;
  /** Of the mean of the predictions, over prompts; 0 without difficulties, which alone tell prompts apart. */
  standardError: number;
  /** 95 % bootstrap interval over prompts; the penalty stays that of the whole. */
  interval: Interval;
  /** In the model: of the length term, the difficulty (where given) and the model itself. */
  coefficients: { length: number; difficulty?: number; model: number };
}

/** Both gamed baselines together weigh a fifth of the model's own comparisons. */
const GAMED_WEIGHT = 0.2 / 2;
const RESAMPLES = 1000;

/** @returns undefined where there are fewer comparisons than the folds of the cross-validation */
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
  const fit = fitCrossValidated([...theirs, ...own]);
  const predictions = predict(comparisons, fit.coefficients);
  const [length, ...rest] = fit.coefficients;
  return {
    winRate: mean(predictions),
    standardError: standardError(predictions),
    interval: interval(comparisons, theirs, fit, seed),
    coefficients: { length, ...(difficult && { difficulty: rest[0] }), model: rest.at(-1)! },
  };
}

/** The comparisons that were judged, with their features: length term, difficulty, the model itself. */
function observe(comparisons: LengthComparison[]): Observation[] {
  const differences = comparisons.map(({ modelLength, baselineLength }) => baselineLength - modelLength);
  // Where all differences are the same, length explains nothing.
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

/** The probability that the model is preferred to each prompt, were the answers equally long. */
function predict(comparisons: LengthComparison[], coefficients: number[]): number[] {
  return comparisons.map(({ difficulty }) => {
    const features = [0, ...difficultyOf(difficulty), 1];
    return sigmoid(features.reduce((total, value, i) => total + value * coefficients[i], 0));
  });
}

function interval(
  comparisons: LengthComparison[],
  gamed: Observation[],
  { c, coefficients }: Fit,
  seed: number,
): Interval {
  const next = uniformStream(seed, 'length control');
  const draw = () => comparisons[Math.floor(next() * comparisons.length)];
  const rates = Array.from({ length: RESAMPLES }, () => {
    const drawn = comparisons.map(draw);
    const own = observe(drawn);
    // Nobody judged any of those drawn: as likely as not.
    return own.length === 0 ? 0.5 : mean(predict(drawn, fitLogistic([...gamed, ...own], c, coefficients)));
  });
  return bootstrapInterval(Float64Array.from(rates));
}
