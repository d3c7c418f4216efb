/** Pairwise comparisons: selection of pairs, outcomes, and the scores of the answers. */
import type { Verdict } from '../labeler.ts';
import type { Preferred } from './verdicts.ts';

/** Two answers to a prompt, by index. */
export type Pair = [number, number];

/** The pairs to compare. `all`: all pairs. `first`: the first answer with each of the others. */
export function pairsOf(answers: number, which: 'all' | 'first'): Pair[] {
  const firsts = which === 'first' ? Math.min(answers, 1) : answers;
  return Array.from({ length: firsts }, (_, a) =>
    Array.from({ length: answers - a - 1 }, (_, i): Pair => [a, a + 1 + i]),
  ).flat();
}

/** Outcome for the first answer of a pair: 1 win, 0 loss, 0.5 tie. Undefined if a verdict is missing. */
export type Outcome = number | undefined;

/**
 * The outcome of a comparison. An answer wins only if both verdicts prefer it, because judges have a position bias.
 * @param forth the verdict with the pair's first answer shown first
 * @param back the verdict with the pair's second answer shown first
 */
export function outcomeOf(forth: Preferred | undefined, back: Preferred | undefined): Outcome {
  if (forth === undefined || back === undefined) return undefined;
  if (forth === 'A' && back === 'B') return 1;
  if (forth === 'B' && back === 'A') return 0;
  return 0.5;
}

/** Whether the verdicts of the two orders contradict each other. */
export const isContradiction = (forth: Preferred | undefined, back: Preferred | undefined): boolean =>
  forth !== undefined && back !== undefined && `${forth}${back}` !== 'CC' && outcomeOf(forth, back) === 0.5;

/** The score of each answer: the share of its decided comparisons that it won. No score without decided comparisons. */
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
