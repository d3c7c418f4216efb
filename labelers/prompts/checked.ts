/** Prompts of a user's own data set whose responses a program can check: with a reference answer, a pattern or a JSON schema. */
import { counted } from '../../data/counted.ts';
import { InputError } from '../../data/errors.ts';
import { shuffled } from '../../data/random.ts';
import type { PromptRecord } from '../../data/records.ts';
import { templateFields } from '../../data/template-inputs.ts';
import type { Rule } from '../program.ts';
import { normalizedWords, requestOf, withAddition, type BaseRow } from './base.ts';
import { describeDroppedRows, drop, type Dropped } from './dropped.ts';
import type { HeldOut } from './held-out.ts';
import { filled } from './template.ts';

export interface CheckedSettings {
  /** The prompt, with `{COLUMN}` for a column of the row. Default: the row's prompt with `addition`. */
  template?: string;
  /** Text that is added to a prompt, with `{COLUMN}` for a column of the row. Not used with `template`. */
  addition: string;
  /** What the labeler reads of the row, such as `{ answer }`. */
  columns: (row: PromptRecord) => Record<string, unknown>;
  /** The labeler's rule. Rows that it refuses are dropped. */
  rule: Rule;
  /** Number of prompts, drawn at random with `seed`. Default: all, in the order of the rows. */
  count?: number;
  seed: number;
}

export interface Checked {
  prompts: PromptRecord[];
  dropped: Dropped;
  /** What is wrong with the first row that the labeler cannot check. */
  problem?: string;
}

/**
 * Prompts of rows. Rows that are held out, repeated, or that the labeler cannot check are counted in `dropped`.
 * @throws InputError when there are fewer than `count`, or none
 */
export function checkedPrompts(rows: BaseRow[], heldOut: HeldOut, settings: CheckedSettings): Checked {
  const { count, seed } = settings;
  const dropped: Dropped = {};
  const seen = new Set<string>();
  let problem: string | undefined;
  const prompts: PromptRecord[] = [];
  for (const row of count === undefined ? rows : shuffled(rows, 'prompts', 'rows', seed)) {
    const leak = heldOut.leakOf(row.base);
    const words = normalizedWords(row.base);
    if (requestOf(row.base) === undefined) drop(dropped, 'notUser');
    else if (leak) drop(dropped, leak);
    else if (seen.has(words)) drop(dropped, 'duplicate');
    else {
      seen.add(words);
      const made = promptOf(row, settings);
      if (made instanceof InputError) {
        problem ??= `${row.where}: ${made.message}`;
        drop(dropped, 'notCheckable');
      } else if (heldOut.isIn(made.prompt)) drop(dropped, 'heldOut');
      else prompts.push(made);
    }
  }
  if (prompts.length < (count ?? 1)) {
    const made =
      count === undefined
        ? `None of ${counted(rows.length, 'row')} gives a prompt`
        : `Only ${prompts.length} of ${count} prompts can be made of ${counted(rows.length, 'row')}`;
    throw new InputError(
      `${made}: ${describeDroppedRows(dropped) || 'none dropped'}; ` +
        (problem === undefined
          ? 'give more rows, or a smaller --count.'
          : `the first that is not checkable: ${problem}`),
    );
  }
  return { prompts: prompts.slice(0, count), dropped, ...(problem !== undefined && { problem }) };
}

/** The prompt of a row, or why the labeler cannot check it. */
function promptOf({ record, base }: BaseRow, settings: CheckedSettings): PromptRecord | InputError {
  const { template, addition, columns, rule } = settings;
  try {
    const read = columns(record);
    const fields = { ...record, ...read };
    const where = `Prompt "${record.id}"`;
    const prompt: PromptRecord = {
      id: record.id,
      prompt:
        template === undefined ? withAddition(base, filled(addition, fields, where)) : filled(template, fields, where),
      ...read,
      base_prompt: base,
      ...templateFields(record),
    };
    rule(prompt);
    return prompt;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

/** The value of a column that the labeler reads. @throws InputError that names the flag which names the column */
export function columnOf(row: PromptRecord, name: string, flag: string): unknown {
  if (row[name] !== undefined) return row[name];
  throw new InputError(`Prompt "${row.id}" has no "${name}" (found: ${Object.keys(row).join(', ')}); correct ${flag}.`);
}
