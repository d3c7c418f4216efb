/** Counts of the rows of a training file that were cut or excluded, for reports. */
import { counted } from './counted.ts';

/** Counts of rows. */
export interface RowCounts {
  /** All rows. */
  rows: number;
  /** Rows whose prompt was cut at the beginning, or a response at the end, by the length limits or the model's context. */
  truncated: number;
  /** Preferences excluded because chosen and rejected have the same tokens, before or after cutting. */
  equal: number;
  /** Rows excluded because the prompt alone fills `maxLength` or the model's context. */
  promptTooLong: number;
  /** Rows in which the rendered text does not begin with the rendered prompt. As in TRL, the text is split at the first difference. */
  promptNotPrefix: number;
  /** Preferences without a confidence, which label smoothing by agreement left as they are. Absent without that setting. */
  noConfidence?: number;
}

/** Rows that are trained on. */
export const trainedRows = ({ rows, equal, promptTooLong }: RowCounts): number => rows - equal - promptTooLong;

/** A sentence for each count that is not 0. */
export function describeRowCounts(counts: RowCounts): string[] {
  const { rows, truncated, equal, promptTooLong, promptNotPrefix, noConfidence = 0 } = counts;
  const sentences: [number, string][] = [
    [truncated, "were cut to maxLength, maxPromptLength or the model's context."],
    [equal, 'were dropped: chosen and rejected are the same tokens.'],
    [promptTooLong, "were dropped: the prompt alone fills maxLength or the model's context."],
    [
      promptNotPrefix,
      'have a prompt that the chat template renders differently with a response: they are split where the two differ, as in TRL.',
    ],
    [noConfidence, 'have no confidence: label smoothing by agreement left them as they are.'],
  ];
  return sentences.flatMap(([count, what]) => (count === 0 ? [] : `${count} of ${rows} training rows ${what}`));
}

/** The error for a file without a row to train on. */
export function nothingLeft({ rows, equal, promptTooLong }: RowCounts): string {
  if (rows === 0) return 'There is nothing to train on: the data has no rows.';
  const reasons: [number, string][] = [
    [equal, 'chosen and rejected are the same tokens'],
    [promptTooLong, "the prompt alone fills maxLength or the model's context"],
  ];
  const why = reasons.flatMap(([count, reason]) => (count === 0 ? [] : `in ${count} ${reason}`)).join(', ');
  return `None of ${counted(rows, 'row')} is left to train on: ${why}; ${promptTooLong === 0 ? 'give rows where they differ' : 'raise maxLength, or lower maxPromptLength'}.`;
}
