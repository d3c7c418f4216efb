/** Votes of Argilla's exports (argilla-records.ts says which). */
import { z } from 'zod';
import { InputError } from '../../../data/errors.ts';
import type { Row } from '../../../data/row.ts';
import { recordOf, type ArgillaRecord, type Response } from './argilla-records.ts';
import {
  choiceOf,
  fieldNames,
  importRows,
  Unreadable,
  type FieldNames,
  type Imported,
  type ImportedAnswer,
  type ImportedChoice,
  type ImportSettings,
  type Unread,
} from './imported.ts';

/** @throws InputError when fields or questions of the file cannot be found */
export function importArgilla(file: string, rows: Row[], settings: ImportSettings): Imported {
  const unread: Unread[] = [];
  const records = rows.flatMap((row, i) => {
    const record = recordOf(row, i);
    if (!record)
      unread.push({ where: row.where, reason: 'has no answers: neither "responses" nor "QUESTION.responses"' });
    return record ?? [];
  });
  if (records.length === 0) return { rows: [], unread };
  const names = fieldNames(file, namesOf(records), settings);
  const question = questionOf(file, records, names, settings);
  const read = (response: Response) => answerOf(response, question, names, settings);
  const imported = importRows(records, names, read, ({ person: by }) => by);
  return { rows: imported.rows, unread: [...unread, ...imported.unread] };
}

const namesOf = (records: ArgillaRecord[]): string[] => [
  ...new Set(records.flatMap(({ fields }) => Object.keys(fields))),
];

/** The question, or the two ratings. */
function questionOf(file: string, records: ArgillaRecord[], names: FieldNames, { question }: ImportSettings): string[] {
  const all = [...new Set(records.flatMap(({ answers }) => answers.flatMap(({ values }) => Object.keys(values))))];
  const unknown = question?.find((name) => !all.includes(name));
  if (unknown !== undefined)
    throw new InputError(`${file} has no answers to a question "${unknown}" (found: ${all.join(', ')}).`);
  if (question) return question;
  if (all.length === 0) throw new InputError(`${file} has no answers.`);
  if (all.length === 1) return all;
  const ratings = names.responses.map((field) => all.filter((name) => name.includes(field) && name.includes('rating')));
  if (ratings.every(({ length }) => length === 1)) return ratings.flat();
  throw new InputError(`${file} has answers to the questions ${all.join(', ')}: name the one to import by --question.`);
}

function answerOf(
  { person: by, status = 'submitted', values }: Response,
  question: string[],
  { responses }: FieldNames,
  settings: ImportSettings,
): ImportedAnswer {
  if (status === 'discarded') return { person: by, skip: 'other' };
  if (status !== 'submitted') throw new Unreadable(`has an answer with the status ${status}`);
  const given = question.map((name) => values[name]);
  if (given.some((value) => value === undefined || value === null))
    throw new Unreadable(`has no answer to ${question.join(' and ')}`);
  const choice = given.length === 2 ? byRating(given) : choiceIn(given[0], responses, settings.values);
  return { person: by, choice };
}

function byRating([first, second]: unknown[]): ImportedChoice {
  if (typeof first !== 'number' || typeof second !== 'number') throw new Unreadable('has a rating that is no number');
  return first === second ? 'tie' : first > second ? 0 : 1;
}

/** A label, a rating or a ranking. Rank 1 is the best. */
function choiceIn(value: unknown, names: [string, string], values: string[] | undefined): ImportedChoice {
  if (!Array.isArray(value)) return choiceOf(value, names, values);
  const ranking = z.array(z.looseObject({ value: z.string(), rank: z.number().nullish() })).safeParse(value);
  if (!ranking.success) return choiceOf(value.length === 1 ? value[0] : value, names, values);
  const ranks = ranking.data.map(({ value: label, rank }) => ({ choice: choiceOf(label, names, values), rank }));
  const [first, second] = [0, 1].map((response) => ranks.find(({ choice }) => choice === response)?.rank);
  if (first == null || second == null) throw new Unreadable('does not rank both responses');
  return first === second ? 'tie' : first < second ? 0 : 1;
}
