/** Prompts with candidates that are longer than a reward model's context. */
import { commonPrefixLength, commonSuffixLength } from '../tokenizer/common-length.ts';
import type { Exchange } from './exchange.ts';
import type { Scores, TooLong } from '../protocol/jobs.ts';

/** The exchange as the model reads it; absent if it is not scored. */
export interface Fitted {
  exchange?: Exchange;
  isCut: boolean;
}

/**
 * Shortens an exchange of more than `limit` tokens as PairRM does: the end of the candidate is cut off, and the template's tokens after
 * it are kept. If the prompt leaves no room for a token of the candidate, the exchange is not scored.
 * @param empty the exchange with an empty candidate: shows where the candidate begins and which tokens follow it
 * @param limit most tokens that the model reads
 * @param tooLong whether to shorten such an exchange, or not to score it
 */
export function fit(exchange: Exchange, empty: () => Exchange, limit: number, tooLong: TooLong): Fitted {
  const { ids, typeIds } = exchange;
  if (ids.length <= limit) return { exchange, isCut: false };
  if (tooLong === 'unjudged') return { isCut: false };
  const { ids: frame } = empty();
  const start = commonPrefixLength(ids, frame);
  const closing = Math.min(commonSuffixLength(ids, frame), frame.length - start);
  if (start + closing >= limit) return { isCut: false };
  const cut = (values: number[]) => [...values.slice(0, limit - closing), ...values.slice(values.length - closing)];
  return { exchange: { ids: cut(ids), typeIds: cut(typeIds) }, isCut: true };
}

/** Scores by prompt and candidate. @param scores of the exchanges that were scored, in order */
export function collectScores(rows: Fitted[][], scores: number[]): Scores {
  let next = 0;
  return {
    scores: rows.map((answers) => answers.map(({ exchange }) => (exchange ? scores[next++] : undefined))),
    cut: rows.flat().filter(({ isCut }) => isCut).length,
  };
}
