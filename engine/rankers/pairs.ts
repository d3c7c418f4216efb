/** The pairs of candidates that PairRM compares, and the scores that follow from their logits. */
import { located } from '../../data/errors.ts';
import type { Answered } from '../protocol/jobs.ts';
import type { EncodedCandidates, PairTokenizer } from './pair-text.ts';

/** Two candidates of one prompt, by index, and the tokens of all three. */
export interface Pair {
  row: number;
  first: number;
  second: number;
  ids: number[];
  /** Where the tokens are whose hidden states are scored: in front of the prompt, of the first and of the second candidate. */
  judged: number[];
}

/**
 * Every ordered pair of each prompt's candidates (`answers`).
 * @returns also the number of candidates that the model reads only in part, or whose prompt it reads only in part
 */
export function encodePairs(rows: Answered[], tokenizer: PairTokenizer): { pairs: Pair[]; cut: number } {
  const encoded = rows.map((row) => located(`Prompt "${row.id}"`, () => tokenizer.encode(row)));
  return {
    pairs: encoded.flatMap((candidates, row) => orderedPairs(candidates, row, tokenizer.prefixIds)),
    cut: encoded.flatMap(({ cut }) => cut).filter(Boolean).length,
  };
}

function orderedPairs({ source, first, second }: EncodedCandidates, row: number, prefixIds: number[]): Pair[] {
  return first.flatMap((a, i) =>
    second.flatMap((b, j) => {
      if (i === j) return [];
      const ids = [...source, ...a, ...b];
      return [{ row, first: i, second: j, ids, judged: prefixIds.map((id) => ids.indexOf(id)) }];
    }),
  );
}

/** The logits [first][second] of each row, positive where the first candidate is better, 0 on the diagonal. @param logits by pair */
export function logitsOf(rows: Answered[], pairs: Pair[], logits: number[]): number[][][] {
  const byRow = rows.map(({ answers }) => answers.map(() => answers.map(() => 0)));
  for (const [i, { row, first, second }] of pairs.entries()) byRow[row][first][second] = logits[i];
  return byRow;
}

/**
 * The score of each candidate, by llm_blender's aggregation `max_logits` in `rank`: the sum over the others j of
 * logit(i, j) - logit(j, i), divided by the number of candidates.
 * @param logits [first][second] of one prompt's candidates
 */
export function scoresOf(logits: number[][]): number[] {
  return logits.map((row, i) => row.reduce((total, logit, j) => total + logit - logits[j][i], 0) / logits.length);
}
