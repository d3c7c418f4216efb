import { describe, expect, test } from 'vitest';
import { qualityOf, type RoundVotes } from '../../../evaluation/people/quality.ts';
import { qualityWarnings } from '../../../evaluation/people/warnings.ts';
import type { QuestionRecord, SkipReason, SkipRecord, VoteRecord } from '../../../labelers/people/protocol.ts';

const question = (id: string, more: Partial<QuestionRecord> = {}): QuestionRecord => ({
  id,
  prompt_id: `prompt of ${id}`,
  shard: 0,
  candidates: [0, 2],
  random: false,
  votes: 1,
  ...more,
});

const vote = (
  id: string,
  person: string,
  choice: VoteRecord['choice'],
  more: Partial<VoteRecord> = {},
): VoteRecord => ({
  question: id,
  person,
  choice,
  left: 0,
  seconds: 5,
  at: '2026-11-29T12:00:00.000Z',
  ...more,
});

const skip = (id: string, person: string, reason: SkipReason): SkipRecord => ({
  question: id,
  person,
  skip: reason,
  at: '2026-11-29T12:00:00.000Z',
});

const voting = (more: Partial<RoundVotes>): RoundVotes => ({
  questions: [],
  votes: [],
  skips: [],
  leaveOut: [],
  ...more,
});

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('the answers of a round', () => {
  const given = voting({
    questions: [question('q1', { votes: 3 }), question('q2'), question('q3'), question('g1', { gold: 1 })],
    votes: [
      vote('q1', 'Ada', 0, { seconds: 2 }),
      vote('q1', 'Ben', 1, { left: 1, seconds: 30 }),
      vote('q1', 'Cem', 0),
      vote('q2', 'Ada', 1, { left: 1, seconds: 4 }),
      vote('q3', 'Ben', 'tie'),
      vote('g1', 'Ada', 1, { seconds: 9 }),
      vote('g1', 'Ben', 'tie'),
      // The same answer in the other order, and another one.
      vote('q1', 'Ada', 0, { left: 1, repeat: true, seconds: 3 }),
      vote('q3', 'Ben', 1, { repeat: true }),
    ],
    skips: [skip('q2', 'Ben', 'language'), skip('q3', 'Dan', 'language'), skip('q2', 'Dan', 'broken')],
    otherwise: [
      { id: 'prompt of q1', candidates: [0, 1, 2].map((index) => ({ index, score: index })) },
      { id: 'prompt of q2', candidates: [{ index: 0, score: 0 }, { index: 2 }] },
    ],
    leaveOut: ['Cem'],
  });
  const { people } = qualityOf(given);
  const of = (name: string) => people.find(({ person }) => person === name)!;

  test('are counted by person, with everybody who skipped only', () => {
    expect(people.map(({ person, votes }) => [person, votes])).toEqual([
      ['Ada', 4],
      ['Ben', 4],
      ['Cem', 1],
      ['Dan', 0],
    ]);
    expect(of('Ben').skips).toEqual({ language: 1 });
    expect(of('Dan')).toEqual({
      person: 'Dan',
      votes: 0,
      skips: { language: 1, broken: 1 },
      left: { count: 0, of: 0 },
      gold: { count: 0, of: 0 },
      repeats: { count: 0, of: 0 },
      others: { count: 0, of: 0 },
      otherwise: { count: 0, of: 0 },
    });
  });

  test('share of left votes and seconds', () => {
    // q1 left, q2 left, g1 right, the repeat of q1 right; ties are on neither side.
    expect(of('Ada').left).toMatchObject({ count: 2, of: 4 });
    expect(of('Ben').left).toMatchObject({ count: 1, of: 2 });
    expect(of('Ada').seconds).toBe(3.5);
  });

  test('gold questions and repeats', () => {
    expect(of('Ada').gold).toEqual({ count: 1, of: 1 });
    expect(of('Ben').gold).toEqual({ count: 0, of: 1 });
    expect(of('Ada').repeats).toEqual({ count: 1, of: 1 });
    expect(of('Ben').repeats).toEqual({ count: 0, of: 1 });
  });

  test('agreement with others and with the labeler of unasked prompts', () => {
    expect(of('Ada').others).toEqual({ count: 1, of: 2 });
    expect(of('Ben').others).toEqual({ count: 0, of: 2 });
    // It prefers the second candidate of q1, and scored only one of q2.
    expect(of('Ada').otherwise).toEqual({ count: 0, of: 1 });
    expect(of('Ben').otherwise).toEqual({ count: 1, of: 1 });
    expect(qualityOf({ ...given, otherwise: undefined }).people[0]).not.toHaveProperty('otherwise');
  });

  test('alpha is that of the votes that count: without gold, repeats and people who are left out', () => {
    expect(of('Cem').leftOut).toBe(true);
    // Ada and Ben disagree about q1: alpha of one question with two different votes is 0.
    expect(qualityOf(given).alpha).toMatchObject({ alpha: 0, questions: 1 });
    expect(qualityOf({ ...given, leaveOut: ['Ben', 'Cem'] }).alpha).toBeUndefined();
  });
});

const warningsOf = (votes: VoteRecord[], questions: QuestionRecord[] = []) =>
  qualityWarnings(qualityOf(voting({ votes, questions })));

describe('warnings', () => {
  test('a person who always votes left, or right', () => {
    const of = (choice: 0 | 1) => numbers(12).map((i) => vote(`q${i}`, 'Ada', choice));
    expect(warningsOf(of(0))).toEqual([
      'Ada votes for the left response more often than chance explains: ' +
        '12 of 12 votes are for the left one, where about half are expected.',
    ]);
    expect(warningsOf(of(1))).toEqual([
      'Ada votes for the right response more often than chance explains: ' +
        '0 of 12 votes are for the left one, where about half are expected.',
    ]);
    expect(warningsOf(numbers(12).map((i) => vote(`q${i}`, 'Ada', i % 2 === 0 ? 0 : 1)))).toEqual([]);
  });

  test('few right answers to gold questions, repeats answered otherwise, fast votes', () => {
    const gold = numbers(6).map((i) => question(`g${i}`, { gold: 0 }));
    const wrong = gold.map(({ id }, i) => vote(id, 'Ben', i === 0 ? 0 : 1, { left: i % 2 === 0 ? 0 : 1 }));
    expect(warningsOf(wrong, gold)).toEqual(['Ben answered 1 of 6 gold questions right.']);
    const changed = numbers(6).flatMap((i) => [
      vote(`q${i}`, 'Cem', 0, { left: i % 2 === 0 ? 0 : 1 }),
      vote(`q${i}`, 'Cem', i < 2 ? 0 : 'tie', { left: i % 2 === 0 ? 1 : 0, repeat: true }),
    ]);
    expect(warningsOf(changed)).toEqual(['Cem gave 2 of 6 repeated questions the same answer again.']);
    const fast = numbers(6).map((i) => vote(`q${i}`, 'Dan', 'tie', { seconds: 1.4 }));
    expect(warningsOf(fast)).toEqual(['Dan takes 1.4 seconds for a vote (median): too short to read two responses.']);
  });

  test('people who agree by chance only', () => {
    const votes = numbers(20).flatMap((i) => [
      vote(`q${i}`, 'Ada', i % 2 === 0 ? 0 : 1),
      vote(`q${i}`, 'Ben', i % 4 < 2 ? 0 : 1),
    ]);
    expect(warningsOf(votes)).toEqual([expect.stringContaining("Krippendorff's alpha")]);
  });

  test('none for a person with few votes', () => {
    expect(warningsOf([vote('q1', 'Ada', 0, { seconds: 1 }), vote('q2', 'Ada', 0)])).toEqual([]);
  });
});

test('a left-out name without a vote is a warning, also where late votes are used', () => {
  const given = voting({ questions: [question('q1')], votes: [vote('q1', 'Ada', 0)], leaveOut: ['Ada', 'Zoe'] });
  expect(qualityWarnings(qualityOf(given))).toEqual([
    'label.leaveOut names Zoe, but there is no vote by that person; the people who have voted are Ada.',
  ]);
  expect(qualityWarnings(qualityOf({ ...given, earlierVoters: ['Zoe'] }))).toEqual([]);
});
