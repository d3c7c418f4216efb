import { describe, expect, test } from 'vitest';
import { aggregate, type AggregateSettings } from '../../../labelers/people/aggregate.ts';
import type { VoteRecord } from '../../../labelers/people/protocol.ts';

type Choice = VoteRecord['choice'];

const vote = (question: string, person: string, choice: Choice, more: Partial<VoteRecord> = {}): VoteRecord => ({
  question,
  person,
  choice,
  left: 0,
  seconds: 4,
  at: '2026-11-29T12:00:00.000Z',
  ...more,
});

/** The votes of a, b, c, … on one question. */
const onOne = (choices: Choice[]) => choices.map((choice, i) => vote('q1', 'abcdefgh'[i], choice));

const settings = (more: Partial<AggregateSettings> = {}): AggregateSettings => ({
  aggregation: 'majority',
  leaveOut: [],
  gold: new Set(),
  ...more,
});

describe.each(['majority', 'dawid-skene'] as const)('by %s', (aggregation) => {
  test('a question with one vote has its answer', () => {
    const { outcomes } = aggregate([vote('q1', 'a', 1), vote('q2', 'a', 0)], settings({ aggregation }));
    expect(outcomes.get('q1')).toEqual({ winner: 1, confidence: expect.closeTo(1, 6), votes: 1 });
    expect(outcomes.get('q2')).toEqual({ winner: 0, confidence: expect.closeTo(1, 6), votes: 1 });
  });

  test('people who disagree prefer nothing', () => {
    expect(aggregate(onOne([0, 1]), settings({ aggregation })).outcomes.get('q1')).toEqual({
      winner: 'none',
      votes: 2,
    });
    expect(aggregate(onOne([0, 'tie']), settings({ aggregation })).outcomes.get('q1')).toEqual({
      winner: 'none',
      votes: 2,
    });
  });

  test('ties and bad responses are answers, not preferences', () => {
    const both = [...onOne(['tie', 'tie', 0]), vote('q2', 'a', 'both-bad')];
    const { outcomes } = aggregate(both, settings({ aggregation }));
    expect(outcomes.get('q1')).toEqual({ winner: 'tie', votes: 3 });
    expect(outcomes.get('q2')).toEqual({ winner: 'both-bad', votes: 1 });
  });

  test('left-out people, gold questions and repeats do not count, and are counted', () => {
    const votes = [
      vote('q1', 'a', 0),
      vote('q1', 'b', 1),
      vote('q1', 'b', 1, { repeat: true }),
      vote('q2', 'b', 1),
      vote('g1', 'a', 0),
      vote('g1', 'a', 0, { repeat: true }),
      vote('q1', 'a', 1, { repeat: true }),
    ];
    const { outcomes, excluded } = aggregate(
      votes,
      settings({ aggregation, leaveOut: ['b', 'nobody'], gold: new Set(['g1']) }),
    );
    expect([...outcomes]).toEqual([['q1', { winner: 0, confidence: expect.closeTo(1, 6), votes: 1 }]]);
    expect(excluded).toEqual({ leftOut: 3, gold: 2, repeats: 1 });
  });
});

const outcomeOf = (...choices: Choice[]) => aggregate(onOne(choices), settings()).outcomes.get('q1');

test('the confidence compares the two responses only', () => {
  expect(outcomeOf(0, 0, 1)).toEqual({ winner: 0, confidence: expect.closeTo(2 / 3, 12), votes: 3 });
  // Fewer than half of the votes, but more than any other class.
  expect(outcomeOf(1, 1, 0, 'tie', 'both-bad')).toEqual({ winner: 1, confidence: expect.closeTo(2 / 3, 12), votes: 5 });
});

test('Dawid and Skene trust the person with whom others agree', () => {
  const truths = Array.from({ length: 20 }, (_, i): Choice => (i % 2 === 0 ? 0 : 1));
  const votes = truths.flatMap((truth, i) => [
    vote(`q${i}`, 'a', truth),
    vote(`q${i}`, 'b', truth),
    // Right by chance only.
    vote(`q${i}`, 'c', i % 4 < 2 ? 0 : 1),
  ]);
  const contested = [vote('x', 'a', 1), vote('x', 'c', 0)];
  const of = (aggregation: AggregateSettings['aggregation']) =>
    aggregate([...votes, ...contested], settings({ aggregation })).outcomes.get('x')!;
  expect(of('majority').winner).toBe('none');
  expect(of('dawid-skene').winner).toBe(1);
});
