/** Exchanges that are longer than a reward model reads. */
import { commonPrefix, commonSuffix } from '../../tokenizer/chat-template.ts';
import type { Exchange } from './exchange.ts';
import type { Scores, TooLong } from '../../protocol/jobs.ts';

/** The exchange as the model reads it; none where it is not judged. */
export interface Fitted {
  exchange?: Exchange;
  isCut: boolean;
}

/**
 * Cuts the answer of an exchange that has more than `limit` tokens, as PairRM cuts: at its end, and what closes it is kept. Where the
 * prompt leaves no room for a token of the answer, there is nothing to judge.
 * @param empty the exchange with an empty answer, which tells where the answer begins and what closes it
 */
export function fit(exchange: Exchange, empty: () => Exchange, limit: number, tooLong: TooLong): Fitted {
  const { ids, typeIds } = exchange;
  if (ids.length <= limit) return { exchange, isCut: false };
  if (tooLong === 'unjudged') return { isCut: false };
  const { ids: frame } = empty();
  const start = commonPrefix(ids, frame);
  const closing = Math.min(commonSuffix(ids, frame), frame.length - start);
  if (start + closing >= limit) return { isCut: false };
  const cut = (values: number[]) => [...values.slice(0, limit - closing), ...values.slice(values.length - closing)];
  return { exchange: { ids: cut(ids), typeIds: cut(typeIds) }, isCut: true };
}

/** @param scores of the exchanges that are judged, in order */
export function collectScores(rows: Fitted[][], scores: number[]): Scores {
  let next = 0;
  return {
    scores: rows.map((answers) => answers.map(({ exchange }) => (exchange ? scores[next++] : undefined))),
    cut: rows.flat().filter(({ isCut }) => isCut).length,
  };
}
