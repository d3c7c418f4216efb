/** Prompts in: JSON Lines, UltraFeedback-binarized Parquet, hub data sets; one validated record type. */
import { InputError } from './errors.ts';
import { ownAnswers, withId } from './fields.ts';
import { promptSchema, type PromptRecord } from './records.ts';
import { parseRow } from './row.ts';
import { readRows } from './source.ts';

/**
 * All prompts of `source`, a file or a hub data set. A row's id is its `id`, else `prompt_id` (UltraFeedback), else `key`
 * (IFEval), else a hash of its prompt; its chosen and rejected lose the conversation that they repeat.
 */
export async function readPrompts(source: string): Promise<PromptRecord[]> {
  const seen = new Map<string, string>();
  return (await readRows(source)).map((row) => {
    const record = ownAnswers(parseRow(withId(row), promptSchema), row.where);
    const earlier = seen.get(record.id);
    if (earlier && (row.fields.id ?? row.fields.key) !== undefined) {
      throw new InputError(`${row.where} repeats the id "${record.id}" of ${earlier}; ids must be unique.`);
    }
    // Ids made from the prompt itself repeat where data sets repeat a prompt: that is no mistake of the user.
    if (earlier) record.id = `${record.id}#${seen.size}`;
    seen.set(record.id, row.where);
    return record;
  });
}
