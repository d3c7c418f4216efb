/**
 * The readers of all records but prompts. Where a kind has two forms, a row's keys tell which is meant, so that an error
 * names the field that is missing of that form.
 */
import { collect } from './collect.ts';
import { contentOf } from './conversation.ts';
import { InputError } from './errors.ts';
import { ownAnswers, withId } from './fields.ts';
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
  type TokenizedPreferenceRecord,
  type TokenizedScoreRecord,
} from './records.ts';
import { parseRow, type Row } from './row.ts';
import { rowsOf } from './source.ts';

/** Prompts with the policy's answers, as `sample` writes them. */
export async function readSampled(source: string): Promise<SampledRecord[]> {
  return (await collect(rowsOf(source))).map((row) => parseRow(withId(row), sampledSchema));
}

/** Answers of anyone's: rows of `sample`, or with one `response` each. */
export async function readAnswered(source: string): Promise<AnsweredRecord[]> {
  return (await collect(rowsOf(source))).map((row) => {
    if (!('response' in row.fields)) return parseRow(withId(row), answeredSchema);
    const { response, ...prompt } = parseRow(withId(row), scoreSchema.and(promptSchema));
    return { ...prompt, responses: [{ text: contentOf(response) }] };
  });
}

/** Preferences as texts or as token ids, one by one; chosen and rejected without the conversation that they repeat. */
export async function* preferencesOf(source: string): AsyncGenerator<PreferenceRecord | TokenizedPreferenceRecord> {
  for await (const row of rowsOf(source)) {
    if (isTokenized(row)) {
      const record = parseRow(row, tokenizedPreferenceSchema);
      refuseEqual(record.chosen_input_ids, record.rejected_input_ids, row);
      yield record;
    } else {
      const record = ownAnswers(parseRow(withId(row), preferenceSchema), row.where);
      refuseEqual(record.chosen, record.rejected, row);
      yield record;
    }
  }
}

/** All preferences of `source`, as `preferencesOf` gives them. */
export const readPreferences = (source: string) => collect(preferencesOf(source));

/** Prompts with one response each to score, as texts or as token ids. */
export async function readScoreRows(source: string): Promise<(ScoreRecord | TokenizedScoreRecord)[]> {
  return (await collect(rowsOf(source))).map((row) =>
    isTokenized(row) ? parseRow(row, tokenizedScoreSchema) : parseRow(row, scoreSchema),
  );
}

/** Demonstrations for supervised fine-tuning: `prompt` and `completion`, or `messages`. */
export async function readDemonstrations(source: string): Promise<DemonstrationRecord[]> {
  const [completion, conversation] = demonstrationSchema.options;
  return (await collect(rowsOf(source))).map((row) =>
    parseRow<DemonstrationRecord>(row, 'messages' in row.fields ? conversation : completion),
  );
}

/** Whether a row has token ids alone; texts may have theirs beside them. */
function isTokenized({ fields }: Row): boolean {
  return !('prompt' in fields) && Object.keys(fields).some((key) => key.endsWith('_input_ids'));
}

function refuseEqual(chosen: unknown, rejected: unknown, { where }: Row): void {
  if (JSON.stringify(chosen) === JSON.stringify(rejected)) {
    throw new InputError(`${where} has the same chosen and rejected response, which is no preference; remove the row.`);
  }
}
