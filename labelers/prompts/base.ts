/** Base prompts: what prompts that a program can check are made of. */
import { withInput } from '../../data/alpaca.ts';
import { collect } from '../../data/collect.ts';
import { contentOf } from '../../data/conversation.ts';
import { InputError } from '../../data/errors.ts';
import { separatePrompt } from '../../data/extract-prompt.ts';
import { withId } from '../../data/fields.ts';
import { promptSchema, textSchema, type PromptRecord, type Text } from '../../data/records.ts';
import { parseRow, type Row } from '../../data/row.ts';
import { rowsOf } from '../../data/source.ts';
import { columnsIn, filled } from './template.ts';

/** Columns that hold the prompt in data sets without a `prompt`, in the order of preference. */
const COLUMNS = ['question', 'problem', 'instruction', 'text'];

/** A row of a data set as a prompt. */
export interface BaseRow {
  /** Its position for messages, such as `base.jsonl line 3`. */
  where: string;
  record: PromptRecord;
  /** What is compared with held-out prompts: the prompt before anything was added to it. */
  base: Text;
}

/** How rows become prompts. */
export interface Reading {
  /** The rows' columns fill a template. Without it, rows have prompts in any of their forms, or one of `COLUMNS` as the prompt. */
  template?: string;
  /** Placeholders of the template that are not columns. */
  fixed?: readonly string[];
  /** Rows that lack a column of the template are read without it. If false, they are an error. */
  isHeldOut?: boolean;
}

/** The rows of a file or hub data set as prompts. @throws InputError that names the row */
export const readBaseRows = (source: string, reading: Reading = {}): Promise<BaseRow[]> =>
  collect(
    (async function* () {
      for await (const row of rowsOf(source)) yield baseRow(row, reading);
    })(),
  );

function baseRow(row: Row, { template, fixed = [], isHeldOut = false }: Reading): BaseRow {
  const { where, fields } = row;
  const base = textSchema.optional().safeParse(fields['base_prompt']).data;
  const columns = template === undefined ? [] : columnsIn(template).filter((name) => !fixed.includes(name));
  if (columns.length === 0 || base !== undefined || (isHeldOut && columns.some((name) => fields[name] === undefined))) {
    const record = parseRow(withPrompt(row), promptSchema);
    return { where, record, base: base ?? record.prompt };
  }
  const values = filled(columns.map((name) => `{${name}}`).join('\n'), fields, where);
  return {
    where,
    record: parseRow(withId({ where, fields: { ...fields, prompt: values } }), promptSchema),
    base: values,
  };
}

/** The row with its prompt in the field `prompt`. */
function withPrompt(row: Row): Row {
  const { where, fields } = row;
  const column = COLUMNS.find((name) => fields[name] !== undefined);
  const responses = [fields['chosen'], fields['rejected']];
  // Beside a column with the prompt, two responses that are texts do not repeat it: they may begin alike by chance.
  const haveIt = responses.every((each) => each !== undefined && (column === undefined || typeof each !== 'string'));
  if ('prompt' in fields || haveIt) return withId(separatePrompt(row, ['chosen', 'rejected']));
  if (column === undefined) {
    throw new InputError(
      `${where} has no prompt (found: ${Object.keys(fields).join(', ')}); name its column prompt, or ${COLUMNS.join(', ')}.`,
    );
  }
  const prompt = column === 'instruction' ? alpacaPrompt(row) : fields[column];
  return withId({ where, fields: { ...fields, prompt } });
}

/** @throws InputError for an input that is no text, which would be lost */
function alpacaPrompt({ where, fields: { instruction, input = '' } }: Row): unknown {
  if (typeof instruction === 'string' && typeof input === 'string') return withInput(instruction, input);
  if (input === '') return instruction;
  throw new InputError(
    `${where} has an "instruction" and an "input" that are not both texts; give the whole prompt in a column prompt.`,
  );
}

/**
 * The words of a text in lower case, without punctuation, joined by spaces: equal for texts that differ in nothing else. A text without
 * words, such as "???" or an emoji, is left as it is, except its white space.
 */
export function normalizedWords(text: Text): string {
  const content = contentOf(text).normalize('NFKC').toLowerCase();
  return (content.match(WORDS) ?? content.trim().split(/\s+/)).join(' ');
}

const WORDS = /[\p{L}\p{M}\p{N}]+/gu;

/** Whether a text has a letter or a digit. */
export const hasWords = (text: Text): boolean => contentOf(text).search(WORDS) >= 0;

/** The text with an addition at its end. The last message of a conversation must be the user's. */
export function withAddition(text: Text, addition: string): Text {
  const request = requestOf(text)! + addition;
  return typeof text === 'string' ? request : [...text.slice(0, -1), { ...text.at(-1)!, content: request }];
}

/** The part of a prompt to which something can be added: the text, or the user's last message, without white space around it. */
export function requestOf(text: Text): string | undefined {
  if (typeof text === 'string') return text.trim();
  const last = text.at(-1)!;
  return last.role === 'user' ? contentOf([last]).trim() : undefined;
}
