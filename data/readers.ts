/**
 * Readers of all record types except prompts. If a record has two forms, the keys of a row determine its form, so that errors name
 * the missing field of that form.
 */
import { isDeepStrictEqual } from 'node:util';
import { collect } from './collect.ts';
import { checkParts, simplified } from './conversation.ts';
import { InputError } from './errors.ts';
import { checkEnd, sameText, separatePrompt } from './extract-prompt.ts';
import { withId } from './fields.ts';
import {
  answeredSchema,
  demonstrationSchema,
  preferenceSchema,
  promptSchema,
  sampledSchema,
  scoreSchema,
  tokenizedPreferenceSchema,
  tokenizedScoreSchema,
  type AnsweredRecord,
  type DemonstrationRecord,
  type PreferenceRecord,
  type SampledRecord,
  type ScoreRecord,
  type Text,
  type TokenizedPreferenceRecord,
  type TokenizedScoreRecord,
} from './records.ts';
import { parseRow, type Row } from './row.ts';
import type { RowCounts } from './row-counts.ts';
import { withMessages } from './sharegpt.ts';
import { rowsOf } from './source.ts';

/** Prompts with the policy's responses, as `sample` writes them. */
export async function readSampled(source: string): Promise<SampledRecord[]> {
  return (await collect(rowsOf(source))).map((row) => withTexts(row, parseRow(withId(row), sampledSchema)));
}

/** Responses from any source: rows of `sample`, or rows with one `response` each. */
export async function readAnswered(source: string): Promise<AnsweredRecord[]> {
  return (await collect(rowsOf(source))).map((row) => {
    if (!('response' in row.fields)) return withTexts(row, parseRow(withId(row), answeredSchema));
    const { response, ...prompt } = parseRow(withId(separatePrompt(row, ['response'])), scoreSchema.and(promptSchema));
    return { ...prompt, responses: [{ text: simplified(response) }] };
  });
}

/**
 * Checks the texts of a record and returns it.
 * @throws InputError for parts that are not text, and for a response that does not end with the assistant
 */
function withTexts<R extends AnsweredRecord>({ where }: Row, record: R): R {
  const texts: Text[] = record.responses.map(({ text }) => text);
  checkParts(where, [record.prompt, record.chosen, record.rejected, ...texts]);
  for (const [i, text] of texts.entries()) checkEnd(where, `responses.${i}.text`, text);
  return record;
}

/** The number of rows read, and of rows excluded because chosen and rejected are equal. */
export type ReadCounts = Pick<RowCounts, 'rows' | 'equal'>;

/**
 * Preferences as texts or as token ids, one by one. Rows with equal chosen and rejected are excluded.
 * @param counts is updated: after each preference, `rows` is the number of its row, from 1
 * @throws InputError also when no preference remains
 */
export async function* preferencesOf(
  source: string,
  counts: ReadCounts = { rows: 0, equal: 0 },
): AsyncGenerator<PreferenceRecord | TokenizedPreferenceRecord> {
  for await (const row of rowsOf(source)) {
    counts.rows++;
    const record = isTokenized(row)
      ? parseRow(row, tokenizedPreferenceSchema)
      : parseRow(withId(separatePrompt(row, ['chosen', 'rejected', 'reference_response'])), preferenceSchema);
    if (prefersNothing(record)) counts.equal++;
    else yield record;
  }
  if (counts.equal === counts.rows) {
    throw new InputError(
      `${source} has the same chosen and rejected response in every row, which is no preference; give rows where they differ.`,
    );
  }
}

/** All preferences of `source`, as `preferencesOf` yields them, with the numbers of their rows and the counts. */
export async function readPreferences(source: string) {
  const counts: ReadCounts = { rows: 0, equal: 0 };
  const rows: (PreferenceRecord | TokenizedPreferenceRecord)[] = [];
  const numbers: number[] = [];
  for await (const row of preferencesOf(source, counts)) {
    rows.push(row);
    numbers.push(counts.rows);
  }
  return { rows, numbers, counts };
}

/** Prompts with one response each to score, as texts or as token ids. Of a row with both, the texts are scored. */
export async function readScoreRows(source: string): Promise<(ScoreRecord | TokenizedScoreRecord)[]> {
  return (await collect(rowsOf(source))).map((row) => {
    if (isTokenized(row)) return parseRow(row, tokenizedScoreSchema);
    const { prompt_input_ids: _prompt, response_input_ids: _response, ...texts } = row.fields;
    return parseRow(separatePrompt({ where: row.where, fields: texts }, ['response']), scoreSchema);
  });
}

/**
 * Demonstrations for supervised fine-tuning: `prompt` and `completion`, or `messages` (ShareGPT: `conversations`) that end with an
 * assistant message.
 */
export async function readDemonstrations(source: string): Promise<DemonstrationRecord[]> {
  const [completion, conversation] = demonstrationSchema.options;
  return (await collect(rowsOf(source))).map((given) => {
    const row = 'prompt' in given.fields ? given : withMessages(given);
    const keys = Object.keys(row.fields);
    if (!keys.some((key) => ['messages', 'prompt', 'completion'].includes(key))) {
      throw new InputError(
        `${row.where} has neither "messages" nor "prompt" and "completion" (found: ${keys.join(', ')}); rename its fields.`,
      );
    }
    if (!('messages' in row.fields))
      return parseRow<DemonstrationRecord>(separatePrompt(row, ['completion']), completion);
    const record = parseRow(row, conversation);
    const { role } = record.messages.at(-1)!;
    checkParts(row.where, [record.messages]);
    if (role === 'assistant') return record;
    throw new InputError(`${row.where} ends "messages" with a ${role} message; end them with an assistant message.`);
  });
}

/** Whether a row has token ids without texts. */
function isTokenized({ fields }: Row): boolean {
  return !('prompt' in fields) && Object.keys(fields).some((key) => key.endsWith('_input_ids'));
}

function prefersNothing(record: PreferenceRecord | TokenizedPreferenceRecord): boolean {
  if (!isText(record)) return isDeepStrictEqual(record.chosen_input_ids, record.rejected_input_ids);
  const [chosen, rejected] = [record.chosen, record.rejected].map((text) =>
    typeof text === 'string' ? [{ role: 'assistant', content: text }] : text,
  );
  return sameText(chosen, rejected);
}

const isText = (record: PreferenceRecord | TokenizedPreferenceRecord): record is PreferenceRecord =>
  !('chosen_input_ids' in record);
