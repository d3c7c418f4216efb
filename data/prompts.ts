/** Prompts in: JSON Lines, UltraFeedback-binarized Parquet, hub data sets; one validated record type. */
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
 * `key` (IFEval), else a hash of its prompt; its prompt and its own chosen and rejected are told apart as TRL does. A prompt that
 * repeats gets an id of its own.
 * @throws InputError also where two different prompts have one `id` or `key`, or an answer of the data set does not follow the
 *   prompt at once
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
    // Data sets repeat prompts, and with them their ids: that is no mistake of the user.
    if (earlier) record.id = `${record.id}#${seen.size}`;
    seen.set(record.id, { where: row.where, text });
    yield record;
  }
}

/** Equal for prompts of the same roles, texts (normalizedText) and tools, and small where there are many. */
function textKey({ prompt, tools }: PromptRecord): string {
  const text = normalizedText(prompt);
  const messages = typeof text === 'string' ? [{ role: 'user', content: text }] : text;
  return hashKey(JSON.stringify([messages.map(({ role, content }) => [role, content]), tools]));
}

/** The first 96 bits of a hash, as 16 characters. (Not a slice of all of it: that would keep all of it in memory.) */
export const hashKey = (content: string | NodeJS.ArrayBufferView): string =>
  createHash('sha256').update(content).digest().toString('base64', 0, 12);

/** All prompts of `source`, as `promptsOf` gives them. */
export const readPrompts = (source: string): Promise<PromptRecord[]> => collect(promptsOf(source));

/** The policy's answers begin where the prompt ends: so must those that they are compared with. */
function checkAnswers({ chosen, rejected }: PromptRecord, where: string): void {
  for (const [name, answer] of Object.entries({ chosen, rejected })) {
    if (!Array.isArray(answer) || !asks(answer[0].role)) continue;
    throw new InputError(
      `${where} asks more in "${name}" than in its prompt; end the prompt with the last message that both answers follow.`,
    );
  }
}
