/** Krippendorff's alpha with its interval. */
import { uniformStream } from '../../data/random.ts';
import { alphaOf, coincidencesOf } from '../../labelers/people/agreement/krippendorff.ts';
import { bootstrapInterval, type Interval } from '../statistics.ts';

/** Agreement beyond chance. */
export interface AlphaEstimate {
  alpha: number;
  /** 95 %. Absent if the votes are too few, or too equal, for one. */
  interval?: Interval;
  /** Questions with two votes or more: the others say nothing about agreement. */
  questions: number;
}

const RESAMPLES = 5000;
/** The share of resamples that must have an alpha. It is not defined where all votes are of one class. */
const DEFINED = 0.95;

/**
 * Krippendorff's alpha with a percentile bootstrap interval: the questions with two votes or more are resampled with replacement, as A.
 * Zapf, S. Castell, L. Morawietz and A. Karch recommend (Measuring inter-rater reliability for nominal data, BMC Medical Research
 * Methodology 16, 2016, https://doi.org/10.1186/s12874-016-0200-9).
 * @param questions the classes that people gave to each question
 * @returns undefined if alpha is not defined
 */
export function bootstrapAlpha(questions: string[][], seed: number): AlphaEstimate | undefined {
  const coincidences = coincidencesOf(questions);
  const alpha = alphaOf(coincidences);
  if (alpha === undefined) return undefined;
  const next = uniformStream(seed, 'alpha');
  const draw = () => coincidences[Math.floor(next() * coincidences.length)];
  const resampled = Array.from({ length: RESAMPLES }, () => alphaOf(coincidences.map(draw)));
  const defined = Float64Array.from(resampled.filter((value) => value !== undefined));
  return {
    alpha,
    questions: coincidences.length,
    ...(defined.length >= DEFINED * RESAMPLES && { interval: bootstrapInterval(defined) }),
  };
}
