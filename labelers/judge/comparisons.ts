/** Pairwise comparisons: which pairs are compared, the outcome of each, and the scores of the answers. */
import type { Verdict } from '../labeler.ts';
import type { Preferred } from './verdicts.ts';

/** Two answers to a prompt, by index. */
export type Pair = [number, number];

/** `all`: all pairs. `first`: the first answer with each of the others. */
export function pairsOf(answers: number, which: 'all' | 'first'): Pair[] {
  const firsts = which === 'first' ? Math.min(answers, 1) : answers;
  return Array.from({ length: firsts }, (_, a) =>
    Array.from({ length: answers - a - 1 }, (_, i): Pair => [a, a + 1 + i]),
  ).flat();
}

/** Outcome for the first of a pair: 1 win, 0 loss, 0.5 tie. Undefined: the judge has not decided. */
export type Outcome = number | undefined;

/**
 * @param forth the verdict with the pair's first shown first
 * @param back the verdict with the second shown first. A win counts only in both orders, since judges have a position bias.
 */
export function outcomeOf(forth: Preferred | undefined, back: Preferred | undefined): Outcome {
  if (forth === undefined || back === undefined) return undefined;
  if (forth === 'A' && back === 'B') return 1;
  if (forth === 'B' && back === 'A') return 0;
  return 0.5;
}

/** Whether the verdicts of both orders contradict each other. */
export const isContradiction = (forth: Preferred | undefined, back: Preferred | undefined): boolean =>
  forth !== undefined && back !== undefined && `${forth}${back}` !== 'CC' && outcomeOf(forth, back) === 0.5;

/** The share of its decided comparisons that each answer has won; no score without any. */
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
