/** Logistic regression with an L1 penalty, as in scikit-learn's LogisticRegressionCV with liblinear. */
import { sigmoid } from '../../data/numbers.ts';

/** A weighted observation. The model is P(target = 1) = sigmoid(coefficients . features), without an intercept. */
export interface Observation {
  features: number[];
  /** A probability in [0, 1]. */
  target: number;
  weight: number;
}

/** scikit-learn's grid: ten values, evenly spaced on a logarithmic scale. */
const STRENGTHS = Array.from({ length: 10 }, (_, i) => 10 ** (-4 + (8 * i) / 9));
/** The weakest penalty of the grid. */
export const WEAKEST = STRENGTHS.at(-1)!;
/** Number of folds of the cross-validation. */
export const FOLDS = 5;

/** The dot product of two vectors. */
function dot(a: number[], b: number[]): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

/**
 * Chooses the penalty by cross-validation and fits the model to all observations.
 * @param observations at least FOLDS of them
 * @returns the coefficients
 */
export function fitCrossValidated(observations: Observation[]): number[] {
  // Row i of n is in fold (n - 1 - i) mod 5, as in scikit-learn's GroupKFold with groups of equal size.
  const foldOf = (i: number) => (observations.length - 1 - i) % FOLDS;
  const folds = Array.from({ length: FOLDS }, (_, fold) => ({
    kept: observations.filter((__, i) => foldOf(i) !== fold),
    left: observations.filter((__, i) => foldOf(i) === fold),
  }));
  const losses = STRENGTHS.map((c) =>
    folds.reduce((total, { kept, left }) => total + crossEntropy(left, fitLogistic(kept, c)) / left.length, 0),
  );
  const c = STRENGTHS[losses.indexOf(Math.min(...losses))];
  return fitLogistic(observations, c);
}

/** Sum over the observations of weight times cross-entropy, in nats. */
function crossEntropy(observations: Observation[], coefficients: number[]): number {
  let total = 0;
  for (const { features, target, weight } of observations) {
    const z = dot(features, coefficients);
    // log(1 + exp(z)) without overflow.
    const softplus = Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
    total += weight * (softplus - target * z);
  }
  return total;
}

/** Convergence tolerance, much smaller than the displayed precision of a win rate. */
const TOLERANCE = 1e-9;
/** Maximum number of Newton steps. */
const MOST_STEPS = 200;

/**
 * The coefficients that minimize |coefficients|_1 + c * cross-entropy, by proximal Newton steps: the cross-entropy is approximated
 * by a quadratic, the penalty is exact.
 * @param start initial coefficients
 */
export function fitLogistic(observations: Observation[], c: number, start?: number[]): number[] {
  let w = start ?? observations[0].features.map(() => 0);
  const objective = (at: number[]) =>
    at.reduce((sum, value) => sum + Math.abs(value), 0) + c * crossEntropy(observations, at);
  for (let step = 0; step < MOST_STEPS; step++) {
    const { gradient, hessian } = derivatives(observations, w, c);
    const target = minimizeQuadratic(gradient, hessian, w);
    const direction = target.map((value, i) => value - w[i]);
    if (Math.max(...direction.map(Math.abs)) < TOLERANCE) return target;
    const before = objective(w);
    // Allows for the rounding error of the sum.
    const allowed = before + 1e-12 * Math.abs(before);
    let [rate, next] = [1, target];
    while (objective(next) > allowed && rate > TOLERANCE) {
      rate /= 2;
      next = w.map((value, i) => value + rate * direction[i]);
    }
    w = next;
  }
  return w;
}

/** Gradient and Hessian of c * cross-entropy at `w`. */
function derivatives(observations: Observation[], w: number[], c: number) {
  const size = w.length;
  const gradient = Array<number>(size).fill(0);
  const hessian = w.map(() => Array<number>(size).fill(0));
  for (const { features, target, weight } of observations) {
    const p = sigmoid(dot(features, w));
    const [first, second] = [c * weight * (p - target), c * weight * p * (1 - p)];
    for (let i = 0; i < size; i++) {
      gradient[i] += first * features[i];
      for (let j = 0; j < size; j++) hessian[i][j] += second * features[i] * features[j];
    }
  }
  return { gradient, hessian };
}

/** Minimizes gradient . (v - w) + (v - w) hessian (v - w) / 2 + |v|_1 over v, by coordinate descent. */
function minimizeQuadratic(gradient: number[], hessian: number[][], w: number[]): number[] {
  const v = [...w];
  for (let sweep = 0; sweep < 1000; sweep++) {
    let moved = 0;
    for (const i of v.keys()) {
      // A feature that is always 0 keeps its coefficient.
      if (hessian[i][i] < 1e-300) continue;
      let derivative = gradient[i];
      for (let j = 0; j < v.length; j++) derivative += hessian[i][j] * (v[j] - w[j]);
      const free = v[i] - derivative / hessian[i][i];
      const next = Math.sign(free) * Math.max(0, Math.abs(free) - 1 / hessian[i][i]);
      moved = Math.max(moved, Math.abs(next - v[i]));
      v[i] = next;
    }
    if (moved < TOLERANCE / 10) break;
  }
  return v;
}
