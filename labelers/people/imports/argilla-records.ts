/**
 * Records of Argilla's exports, in whichever form: what `dataset.records.to_json()` and `to_list(flatten=True)` of Argilla 2 write, what
 * `dataset.format_as('datasets').to_json()` of Argilla 1 writes, and the records of Argilla 1's feedback data sets.
 */
import { z } from 'zod';
import type { Row } from '../../../data/row.ts';
import type { Source } from './imported.ts';
import { numbered } from './unnamed.ts';

/** A person's answers to the questions of a record. */
export interface Response {
  person: string;
  status?: string;
  values: Record<string, unknown>;
}

export type ArgillaRecord = Source<Response>;

/** A person's answer to a question. */
interface Answer {
  user: unknown;
  value: unknown;
  status?: unknown;
}

/** All answers to a question. */
type Answers = [question: string, answers: Answer[]];

const fieldsSchema = z.record(z.string(), z.unknown());
const nested = z.looseObject({
  fields: fieldsSchema,
  responses: z.record(z.string(), z.array(z.looseObject({ value: z.unknown() }))),
});
const version1 = z.looseObject({
  fields: fieldsSchema,
  responses: z.array(
    z.looseObject({
      values: z.record(z.string(), z.looseObject({ value: z.unknown() })).nullish(),
      status: z.string().nullish(),
    }),
  ),
});
const column = z.array(z.looseObject({ user_id: z.unknown(), value: z.unknown(), status: z.unknown() }));

/** @returns undefined if the row has no answers */
export function recordOf({ where, fields: row }: Row, index: number): ArgillaRecord | undefined {
  const id = String(row['id'] ?? row['external_id'] ?? `row-${index + 1}`);
  const found = ofNested(row) ?? ofVersion1(row) ?? ofFlattened(row) ?? ofColumns(row);
  return found && { where, id, ...found };
}

type Found = Pick<ArgillaRecord, 'fields' | 'answers'> | undefined;

/** Each question has a list of answers, one per person. */
function ofNested(row: object): Found {
  const given = nested.safeParse(row).data;
  if (!given) return undefined;
  const answers = Object.entries(given.responses).map(([question, list]): Answers => [
    question,
    list.map(({ user_id: user, value }) => ({ user, value })),
  ]);
  return { fields: given.fields, answers: byPerson(answers) };
}

function ofVersion1(row: object): Found {
  const given = version1.safeParse(row).data;
  if (!given) return undefined;
  // Whoever discards a record may have no answers.
  const people = numbered(given.responses.map(({ user_id: user }) => nameOf(user)));
  const answers = given.responses.map(({ values, status }, i) => ({
    person: people[i],
    ...(status && { status }),
    values: Object.fromEntries(Object.entries(values ?? {}).map(([name, { value }]) => [name, value])),
  }));
  return { fields: given.fields, answers };
}

/** Keys that the rows of exports have besides fields and questions. */
const OWN = new Set(['id', 'status', '_server_id', 'external_id', 'metadata', 'vectors']);

/** Each question has lists of values, people and statuses: `QUESTION.responses`, `QUESTION.responses.users` and so on. */
function ofFlattened(row: Record<string, unknown>): Found {
  const questions = Object.keys(row).flatMap((key) =>
    key.endsWith('.responses') ? key.slice(0, -'.responses'.length) : [],
  );
  if (questions.length === 0) return undefined;
  const answers = questions.map((question): Answers => {
    const list = (suffix: string) => {
      const value = row[`${question}.responses${suffix}`];
      return Array.isArray(value) ? (value as unknown[]) : [];
    };
    const [users, statuses] = [list('.users'), list('.status')];
    return [question, list('').map((value, i) => ({ user: users[i], value, status: statuses[i] }))];
  });
  return { fields: fieldsOf(row, (key) => !/\.(responses|suggestion)(\.|$)/.test(key)), answers: byPerson(answers) };
}

/** Each question is a column with a list of answers, beside columns about its suggestion. */
function ofColumns(row: Record<string, unknown>): Found {
  const questions = Object.keys(row).filter((key) => `${key}-suggestion-metadata` in row);
  if (questions.length === 0) return undefined;
  const answers = questions.map((question): Answers => {
    const list = column.safeParse(row[question]).data ?? [];
    return [question, list.map(({ user_id: user, value, status }) => ({ user, status, value: asRanking(value) }))];
  });
  const isField = (key: string) => !questions.includes(key) && !/-suggestion(-metadata)?$/.test(key);
  return { fields: fieldsOf(row, isField), answers: byPerson(answers) };
}

const ranksSchema = z.looseObject({ rank: z.array(z.unknown()), value: z.array(z.unknown()) });

/** Hugging Face's datasets make a list of objects an object of lists. @returns a ranking as it was; any other value as it is */
function asRanking(given: unknown): unknown {
  const ranks = ranksSchema.safeParse(given).data;
  return ranks ? ranks.value.map((value, i) => ({ value, rank: ranks.rank[i] })) : given;
}

const fieldsOf = (row: Record<string, unknown>, isField: (key: string) => boolean) =>
  Object.fromEntries(Object.entries(row).filter(([key]) => !OWN.has(key) && isField(key)));

const nameOf = (user: unknown): string | undefined =>
  typeof user === 'string' || typeof user === 'number' ? String(user) : undefined;

/**
 * Joins each person's answers to several questions. If someone has answered a question twice, the second answer is in another response, so
 * that it is reported. Unnamed people are joined by their order if every question has the same number of them.
 */
function byPerson(questions: Answers[]): Response[] {
  const unnamed = questions.map(([, answers]) => answers.filter(({ user }) => nameOf(user) === undefined).length);
  const isJoined = unnamed.every((count) => count === unnamed[0]);
  const responses = new Map<string, Response>();
  for (const [question, answers] of questions) {
    const names = numbered(answers.map(({ user }) => nameOf(user)));
    const times = new Map<string, number>();
    for (const [i, { user, value, status }] of answers.entries()) {
      const person = isJoined || nameOf(user) !== undefined ? names[i] : `${names[i]} of ${question}`;
      const time = times.get(person) ?? 0;
      times.set(person, time + 1);
      const key = JSON.stringify([person, time]);
      const response: Response = responses.get(key) ?? { person, values: {} };
      response.values[question] = value;
      if (typeof status === 'string') response.status = status;
      responses.set(key, response);
    }
  }
  return [...responses.values()];
}
