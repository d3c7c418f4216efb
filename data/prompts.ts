/** Reads prompts from JSON Lines, Parquet and hub data sets into one validated record type. */
import { createHash } from 'node:crypto';
import { collect } from './collect.ts';
import { normalizedText } from './conversation.ts';
import { InputError } from './errors.ts';
import { asks, separatePrompt } from './extract-prompt.ts';
import { withId } from './fields.ts';
import { promptSchema, type PromptRecord } from './records.ts';
import { parseRow } from './row.ts';
import { rowsOf } from './source.ts';

/**
 * The prompts of `source`, a file or a hub data set, one by one. A row's id is its `id`, else `prompt_id` (UltraFeedback), else
 * `key` (IFEval), else a hash of its prompt. The prompt is separated from the row's chosen and rejected as in TRL. The id of a
 * repeated prompt gets a number appended.
 * @throws InputError also when two different prompts have the same `id` or `key`, or a response of the data set does not directly
 *   follow the prompt
 */
export async function* promptsOf(source: string): AsyncGenerator<PromptRecord> {
  const seen = new Map<string, { where: string; text: string }>();
  for await (const row of rowsOf(source)) {
    const record = parseRow(withId(separatePrompt(row, ['chosen', 'rejected'])), promptSchema);
    checkAnswers(record, row.where);
    const earlier = seen.get(record.id);
    const text = textKey(record);
    if (earlier && earlier.text !== text && (row.fields.id ?? row.fields.key) !== undefined) {
      throw new InputError(
        `${row.where} repeats the id "${record.id}" of ${earlier.where} with another prompt; ids must be unique.`,
      );
    }
    // Data sets repeat prompts with their ids, so this is not an error. Rows that selm has written may have such a number already.
    const { id } = record;
    for (let number = seen.size; seen.has(record.id); number++) record.id = `${id}#${number}`;
    seen.set(record.id, { where: row.where, text });
    yield record;
  }
}

/** A short key that is equal for prompts with the same roles, texts (normalizedText) and inputs of the template. */
function textKey({ prompt, tools, chat_template_kwargs: given }: PromptRecord): string {
  const text = normalizedText(prompt);
  const messages = typeof text === 'string' ? [{ role: 'user', content: text }] : text;
  return hashKey(JSON.stringify([messages.map(({ role, content }) => [role, content]), tools, given]));
}

/** The first 96 bits of a hash, as 16 characters. (A slice of the whole digest would keep the digest in memory.) */
export const hashKey = (content: string | NodeJS.ArrayBufferView): string =>
  createHash('sha256').update(content).digest().toString('base64', 0, 12);

/** All prompts of `source`, as `promptsOf` yields them. */
export const readPrompts = (source: string): Promise<PromptRecord[]> => collect(promptsOf(source));

/** Checks that the data set's responses directly follow the prompt, as the policy's responses do. */
function checkAnswers({ chosen, rejected }: PromptRecord, where: string): void {
  for (const [name, answer] of Object.entries({ chosen, rejected })) {
    if (!Array.isArray(answer) || !asks(answer[0].role)) continue;
    throw new InputError(
      `${where} asks more in "${name}" than in its prompt; end the prompt with the last message that both answers follow.`,
    );
  }
}
