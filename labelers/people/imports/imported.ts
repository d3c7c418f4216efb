/** What imports of other labeling tools have in common. */
import { z } from 'zod';
import { withInput } from '../../../data/alpaca.ts';
import { InputError } from '../../../data/errors.ts';
import type { Text } from '../../../data/records.ts';
import { findRepeated } from '../../../data/repeated.ts';
import type { SkipRecord, VoteRecord } from '../protocol.ts';

/** Names in the other tool's file. */
export interface ImportSettings {
  /** The field with the prompt. Default: by its name. */
  prompt?: string;
  /** The fields with the two responses. Default: by their names. */
  responses?: [string, string];
  /** The question that was answered; two names are ratings, one for each response. Default: the only one. */
  question?: string[];
  /** The answers that stand for the first response, the second one, a tie, and both bad. Default: WORDS. */
  values?: string[];
}

/** An answer as another tool has it. The time and the order shown may be unknown. */
export type ImportedAnswer =
  | (Omit<VoteRecord, 'at' | 'left' | 'seconds' | 'question' | 'repeat'> &
      Partial<Pick<VoteRecord, 'at' | 'left' | 'seconds'>>)
  | (Omit<SkipRecord, 'at' | 'question'> & Partial<Pick<SkipRecord, 'at'>>);

interface ImportedRow {
  id: string;
  prompt: Text;
  responses: [string, string];
  answers: ImportedAnswer[];
}

/** A row, or an answer of a row, that cannot be read. */
export interface Unread {
  where: string;
  reason: string;
}

export interface Imported {
  rows: ImportedRow[];
  unread: Unread[];
}

/** Why a row or an answer cannot be read: the end of a sentence about it. */
export class Unreadable extends Error {}

/** The better response, by its index, or that there is none. */
export type ImportedChoice = VoteRecord['choice'];

const CHOICES: ImportedChoice[] = [0, 1, 'tie', 'both-bad'];

/** Answers that are understood without --values, in lower case and without spaces and punctuation. */
const WORDS: string[][] = [
  ['1', 'a', 'first', 'left', 'response1', 'responsea', 'answer1', 'answera'],
  ['2', 'b', 'second', 'right', 'response2', 'responseb', 'answer2', 'answerb'],
  ['tie', 'equal', 'same', 'bothgood'],
  ['bothbad', 'neither', 'none'],
];

const plain = (value: string): string => value.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** @param names of the two responses, which are answers too. @throws Unreadable for an unknown answer */
export function choiceOf(value: unknown, names: [string, string], values: string[] | undefined): ImportedChoice {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') throw new Unreadable(`has the answer ${JSON.stringify(value)}, which is not one word`);
  const index = values ? values.indexOf(text) : meaningOf(text, names);
  if (index >= 0) return CHOICES[index];
  throw new Unreadable(`has the answer "${text}", which is unknown; give --values FIRST,SECOND,TIE,BOTH-BAD`);
}

/** The index of the choice that an answer without --values stands for; -1 if it is unknown. */
function meaningOf(text: string, names: [string, string]): number {
  const word = plain(text);
  const ends = names.map((name) => name.at(-1)!);
  const byEnd = ENDS.includes(ends.join('')) ? ends.map(plain).indexOf(word) : -1;
  const byName = [names.indexOf(text), names.map(plain).indexOf(word), byEnd].find((i) => i >= 0);
  if (byName !== undefined) return byName;
  // The words count from 1: beside response_0 and response_1, other numbers than theirs are unknown.
  if (ends.join('') === '01' && /\d$/.test(word)) return -1;
  return WORDS.findIndex((words) => words.includes(word));
}

const PROMPTS = ['prompt', 'instruction', 'question', 'input'];
/** The last characters of the names of the two responses. */
const ENDS = ['12', '01', 'ab', 'AB'];

export interface FieldNames {
  prompt: string;
  /** In Alpaca's form, the field with what the instruction is about. */
  input?: string;
  responses: [string, string];
}

/**
 * The fields with the prompt and the responses.
 * @param names the fields of a row. @param shown the responses that the other tool names
 * @throws InputError when they cannot be found
 */
export function fieldNames(
  file: string,
  names: string[],
  settings: ImportSettings,
  shown?: [string, string],
): FieldNames {
  const given = [settings.prompt, ...(settings.responses ?? [])].filter((name) => name !== undefined);
  const missing = given.find((name) => !names.includes(name));
  if (missing !== undefined) throw new InputError(`${file} has no field "${missing}" (found: ${names.join(', ')}).`);
  const responses = settings.responses ?? shown ?? onlyOne(pairsIn(names));
  if (!responses)
    throw new InputError(
      `${file}: name the fields with the two responses by --responses FIRST,SECOND (found: ${names.join(', ')}).`,
    );
  const others = names.filter((name) => !responses.includes(name));
  const prompt = settings.prompt ?? PROMPTS.find((name) => others.includes(name)) ?? onlyOne(others);
  if (prompt === undefined)
    throw new InputError(`${file}: name the field with the prompt by --prompt FIELD (found: ${names.join(', ')}).`);
  const isAlpaca = settings.prompt === undefined && prompt === 'instruction' && others.includes('input');
  return { prompt, ...(isAlpaca && { input: 'input' }), responses };
}

const pairsIn = (names: string[]): [string, string][] =>
  names.flatMap((first) =>
    ENDS.flatMap(([one, two]): [string, string][] => {
      const second = first.slice(0, -1) + two;
      return first.endsWith(one) && names.includes(second) ? [[first, second]] : [];
    }),
  );

const onlyOne = <T>(all: T[]): T | undefined => (all.length === 1 ? all[0] : undefined);

/** The texts of a row. @throws Unreadable when one is missing or no text */
function textsIn(
  fields: Record<string, unknown>,
  { prompt, input, responses }: FieldNames,
): Pick<ImportedRow, 'prompt' | 'responses'> {
  const [first, second] = responses.map((name) => asText(fields[name], name));
  const asked = asPrompt(fields[prompt], prompt);
  const about = input === undefined ? '' : asText(fields[input] ?? '', input);
  if (about === '') return { prompt: asked, responses: [first, second] };
  if (typeof asked !== 'string') throw new Unreadable(`has a conversation in "${prompt}" and a text in "${input}"`);
  return { prompt: withInput(asked, about), responses: [first, second] };
}

function asText(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  const messages = asMessages(value);
  if (messages) return messages.map(({ content }) => content).join('\n');
  throw new Unreadable(`has no text in "${name}"`);
}

function asPrompt(value: unknown, name: string): Text {
  return asMessages(value) ?? asText(value, name);
}

const messages = z.array(z.looseObject({ role: z.string(), content: z.string() })).min(1);

/** A conversation: Argilla's chat fields. */
function asMessages(value: unknown): { role: string; content: string }[] | undefined {
  return messages.safeParse(value).data?.map(({ role, content }) => ({ role, content }));
}

/** A row of the other tool's file. */
export interface Source<Given> {
  where: string;
  id: string;
  fields: Record<string, unknown>;
  /** By several people. */
  answers: Given[];
}

/**
 * Reads texts and answers. What cannot be read is reported.
 * @throws InputError when two rows have the same id: votes would count for the wrong responses
 * @param read reads an answer. It throws Unreadable if it cannot
 */
export function importRows<Given>(
  sources: Source<Given>[],
  names: FieldNames,
  read: (answer: Given) => ImportedAnswer,
  personOf: (answer: Given) => string,
): Imported {
  const repeated = findRepeated(sources.map(({ id }) => id));
  if (repeated) {
    const [first, again] = [repeated.first, repeated.again].map((index) => sources[index].where);
    throw new InputError(
      `${again} has the same id ("${repeated.key}") as ${first}: give each record an id of its own.`,
    );
  }
  const unread: Unread[] = [];
  /** @returns undefined if it is reported */
  const readable = <T>(where: string, readOne: () => T): T | undefined => {
    try {
      return readOne();
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      unread.push({ where, reason: error.message });
      return undefined;
    }
  };
  const rows = sources.flatMap(({ where, id, fields, answers }): ImportedRow[] => {
    const texts = readable(where, () => textsIn(fields, names));
    if (!texts) return [];
    const all = answers.flatMap((one) => readable(`${where}, ${personOf(one)}`, () => read(one)) ?? []);
    // A person has one vote on a question.
    const last = new Map(all.map((answer) => [answer.person, answer]));
    for (const { person } of all.filter((answer) => last.get(answer.person) !== answer))
      unread.push({ where: `${where}, ${person}`, reason: 'has a later answer, which is used instead' });
    return [{ id, ...texts, answers: [...last.values()] }];
  });
  return { rows, unread };
}
