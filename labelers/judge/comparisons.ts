/** Pairs of answers: which are compared, who has won, and what an answer is worth after all its comparisons. */
import type { Verdict } from '../labeler.ts';
import type { Preferred } from './verdicts.ts';

/** Two answers to a prompt, by their places among them. */
export type Pair = [number, number];

/** `all`: every two of them. `first`: the first with each of the others. */
export function pairsOf(answers: number, which: 'all' | 'first'): Pair[] {
  const firsts = which === 'first' ? Math.min(answers, 1) : answers;
  return Array.from({ length: firsts }, (_, a) =>
    Array.from({ length: answers - a - 1 }, (_, i): Pair => [a, a + 1 + i]),
  ).flat();
}

/** The share of the first of a pair: 1 has won, 0 has lost, 0.5 a tie. None: the judge has not decided. */
export type Outcome = number | undefined;

/**
 * @param forth the verdict with the pair's first shown first
 * @param back with its second shown first. A win only counts in both orders, for judges prefer places.
 */
export function outcomeOf(forth: Preferred | undefined, back: Preferred | undefined): Outcome {
  if (forth === undefined || back === undefined) return undefined;
  if (forth === 'A' && back === 'B') return 1;
  if (forth === 'B' && back === 'A') return 0;
  return 0.5;
}

/** Whether the orders say different things, of which one at most is the judge's opinion. */
export const isContradiction = (forth: Preferred | undefined, back: Preferred | undefined): boolean =>
  forth !== undefined && back !== undefined && `${forth}${back}` !== 'CC' && outcomeOf(forth, back) === 0.5;

/** What each answer has won of its decided comparisons, as a share; no score where it has none. */
export function sharesOf(answers: number, pairs: Pair[], outcomes: Outcome[]): Verdict[] {
  const won = new Float64Array(answers);
  const decided = new Float64Array(answers);
  for (const [i, [a, b]] of pairs.entries()) {
    const outcome = outcomes[i];
    if (outcome === undefined) continue;
    won[a] += outcome;
    won[b] += 1 - outcome;
    decided[a]++;
    decided[b]++;
  }
  return Array.from({ length: answers }, (_, i) => (decided[i] > 0 ? { score: won[i] / decided[i] } : {}));
}
