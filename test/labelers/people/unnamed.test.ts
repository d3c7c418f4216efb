/** Imports of answers without a user, and of two answers by one user: each vote counts, or it is reported. */
import { describe, expect, test } from 'vitest';
import { importArgilla } from '../../../labelers/people/imports/argilla.ts';
import { importLabelStudio } from '../../../labelers/people/imports/label-studio.ts';

const texts = { prompt: 'Q?', response1: 'good', response2: 'bad' };
const votes = ['response1', 'response1', 'response2'];
const [anonymous, named] = [
  [null, null, null],
  ['u1', 'u2', 'u3'],
];

/** A record in each of Argilla's forms, with a vote of each user. */
const forms: Record<string, (users: (string | null)[]) => Record<string, unknown>> = {
  nested: (users) => ({
    fields: texts,
    responses: { better: users.map((user_id, i) => ({ user_id, value: votes[i] })) },
  }),
  flattened: (users) => ({
    ...texts,
    'better.responses': votes,
    'better.responses.users': users,
    'better.responses.status': users.map(() => 'submitted'),
  }),
  'version 1, records': (users) => ({
    fields: texts,
    responses: users.map((user_id, i) => ({ user_id, status: 'submitted', values: { better: { value: votes[i] } } })),
  }),
  'version 1, columns': (users) => ({
    ...texts,
    better: users.map((user_id, i) => ({ user_id, status: 'submitted', value: votes[i] })),
    'better-suggestion': null,
    'better-suggestion-metadata': {},
  }),
};

const imported = (fields: Record<string, unknown>, settings = {}) => {
  const { rows, unread } = importArgilla('a.json', [{ where: 'record 1', fields }], settings);
  return { answers: rows[0].answers, unread };
};

describe.each(Object.keys(forms))('Argilla, %s', (form) => {
  test('unnamed people are different people', () => {
    const choices = [0, 0, 1];
    expect(imported(forms[form](named))).toEqual({
      answers: choices.map((choice, i) => ({ person: `u${i + 1}`, choice })),
      unread: [],
    });
    expect(imported(forms[form](anonymous))).toEqual({
      answers: choices.map((choice, i) => ({ person: `unnamed ${i + 1}`, choice })),
      unread: [],
    });
  });

  test('of two answers by one person the last one counts, and the other one is reported', () => {
    expect(imported(forms[form](['u1', 'u2', 'u1']))).toEqual({
      answers: expect.arrayContaining([
        { person: 'u1', choice: 1 },
        { person: 'u2', choice: 0 },
      ]) as object,
      unread: [{ where: 'record 1, u1', reason: 'has a later answer, which is used instead' }],
    });
  });
});

const list = (values: number[]) => values.map((value) => ({ user_id: null, value }));

const ratings = (first: number[], second: number[]) => {
  return { fields: texts, responses: { rating1: list(first), rating2: list(second) } };
};
describe('unnamed ratings of two responses', () => {
  const settings = { question: ['rating1', 'rating2'] };

  test('belong together by their order', () => {
    expect(imported(ratings([5, 1], [2, 4]), settings)).toEqual({
      answers: [
        { person: 'unnamed 1', choice: 0 },
        { person: 'unnamed 2', choice: 1 },
      ],
      unread: [],
    });
  });

  test('are reported if their numbers differ: whose they are is unknown', () => {
    const { answers, unread } = imported(ratings([5, 1], [2]), settings);
    expect(answers).toEqual([]);
    expect(unread.map(({ where }) => where)).toEqual([
      'record 1, unnamed 1 of rating1',
      'record 1, unnamed 2 of rating1',
      'record 1, unnamed 1 of rating2',
    ]);
  });
});

const annotation = (completed_by: unknown, choice: string) => ({
  completed_by,
  result: [{ type: 'choices', from_name: 'better', value: { choices: [choice] } }],
});

test('Label Studio: unnamed people are different people', () => {
  const fields = {
    data: texts,
    annotations: [annotation(null, 'response1'), annotation({ id: 7 }, 'response1'), annotation({}, 'response2')],
  };
  const { rows, unread } = importLabelStudio('l.json', [{ where: 'record 1', fields }], {});
  expect([rows[0].answers, unread]).toEqual([
    [
      { person: 'unnamed 1', choice: 0 },
      { person: '7', choice: 0 },
      { person: 'unnamed 2', choice: 1 },
    ],
    [],
  ]);
});
