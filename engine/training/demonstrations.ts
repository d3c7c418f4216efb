/** Demonstrations as both backends train on them, and the metrics of a step. */
import { InputError, located } from '../../data/errors.ts';
import { nothingLeft, type RowCounts } from '../../data/row-counts.ts';
import type { SftJob } from '../protocol/jobs.ts';
import { tokenizeDemonstration } from '../tokens/demonstrations.ts';
import type { TextPolicy } from '../tokens/responses.ts';
import type { Example, Group } from './groups.ts';

/**
 * The examples of a supervised fine-tuning, and counts of its rows.
 * @throws InputError that names the row that cannot be trained on, or when no row is left
 */
export function demonstrationExamples(
  { rows: records, training }: Pick<SftJob, 'rows' | 'training'>,
  policy: TextPolicy,
): { examples: Example[]; counts: RowCounts } {
  const rows = records.map((row, i) => located(`Row ${i + 1}`, () => tokenizeDemonstration(policy, row, training)));
  const examples = rows.flatMap(({ tokens }) => {
    if (!tokens) return [];
    const { prompt, response, trained } = tokens;
    return { group: { prompt, responses: [response], ...(trained && { trained: [trained] }) } };
  });
  const counts = {
    rows: rows.length,
    truncated: rows.filter(({ isTruncated }) => isTruncated).length,
    equal: 0,
    promptTooLong: rows.length - examples.length,
    promptNotPrefix: rows.filter(({ isPrefix }) => !isPrefix).length,
  };
  if (examples.length === 0) throw new InputError(nothingLeft(counts));
  return { examples, counts };
}

/** The number of the assistant's tokens. Between those of a conversation's turns are other tokens, which are not trained on. */
const trainedTokens = ({ responses: [response], trained }: Group) =>
  trained?.[0] ? trained[0].filter(Boolean).length : response.length;

/** Tokens of a batch that are trained on. */
export const completionTokens = (batch: Example[]) =>
  batch.reduce((total, { group }) => total + trainedTokens(group), 0);

/** Metrics of a batch. */
export const demonstrationMetrics = (batch: Example[]) => ({ completion_tokens: completionTokens(batch) });
