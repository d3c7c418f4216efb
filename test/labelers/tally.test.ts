import { describe, expect, test } from 'vitest';
import { aggregate } from '../../labelers/people/aggregate.ts';
import type { QuestionRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import { countTally, labelOf, unasked } from '../../labelers/people/tally.ts';
import { fewerVotesNote, notVotedNote } from '../../labelers/people/votes-note.ts';
import { preferencesOf } from '../../labelers/preferences.ts';

const question = (id: string): QuestionRecord => ({ id, prompt_id: `p-${id}`, candidates: [2, 0], random: false });
const questions = ['clear', 'split', 'tie', 'bad', 'none'].map(question);

const vote = (id: string, person: string, choice: VoteRecord['choice']): VoteRecord => ({
  question: id,
  person,
  choice,
  left: 0,
  seconds: 1,
  at: '2026-11-29T12:00:00.000Z',
});
const votes = [
  vote('clear', 'ann', 0),
  vote('clear', 'ben', 0),
  vote('clear', 'cleo', 1),
  vote('split', 'ann', 0),
  vote('split', 'ben', 1),
  vote('tie', 'ann', 'tie'),
  vote('bad', 'ben', 'both-bad'),
  { ...vote('clear', 'ann', 1), repeat: true as const },
];
const settings = { aggregation: 'majority' as const, gold: new Set<string>() };

const row = (id: string) => ({
  id: `p-${id}`,
  prompt: 'Say.',
  responses: ['a', 'b', 'c'].map((text) => ({ text: `${text} ${id}` })),
});

/** The preferences of all questions' prompts, and the counts. */
function made(leaveOut: string[] = []) {
  const { outcomes } = aggregate(votes, { ...settings, leaveOut });
  const labels = questions.map((one) => labelOf(one, outcomes.get(one.id)));
  const counts = countTally(questions, outcomes, votes, leaveOut);
  return preferencesOf(
    questions.map(({ id }) => row(id)),
    { labels, counts },
  );
}

describe('labels of votes', () => {
  test('only a response that is strictly ahead is preferred, with the share of its votes; ties and disagreement are counted', () => {
    const { preferences, stats } = made();
    // Candidate 2, the first of the pair, has two of three votes.
    expect(preferences).toHaveLength(1);
    expect(preferences[0]).toMatchObject({
      id: 'p-clear',
      chosen: 'c clear',
      rejected: 'a clear',
      score_chosen: 2 / 3,
    });
    expect(preferences[0].confidence).toBeCloseTo(2 / 3, 15);
    expect(stats.dropped).toEqual({ oneCandidate: 0, callsAlone: 0, unjudged: 1, noAnswer: 0, tie: 3 });
    expect(stats.counts).toEqual({
      asked: 5,
      preferred: 1,
      ties: 1,
      bothBad: 1,
      disagreed: 1,
      withoutVotes: 1,
      votes: 7,
    });
  });

  test('the votes of a person who is left out do not count, and are counted', () => {
    const { preferences, stats } = made(['ann']);
    // Ben alone decides about the question on which he and Ann disagreed.
    expect(preferences.map(({ id, chosen }) => [id, chosen])).toEqual([['p-split', 'a split']]);
    expect(stats.counts).toMatchObject({ disagreed: 1, withoutVotes: 2, votes: 4, leftOutVotes: 3 });
  });

  test('a prompt that nobody was asked about has candidates without scores, without those that are dropped', () => {
    expect(unasked(row('x'))).toEqual({ id: 'p-x', candidates: [{ index: 0 }, { index: 1 }, { index: 2 }] });
    const cut = { ...row('x'), responses: [{ text: 'a', finish_reason: 'length' as const }, { text: 'b' }] };
    expect(unasked(cut, 'drop').candidates).toEqual([{ index: 1 }]);
  });
});

test('fewer votes than wanted are told, but not the rounding of overlapping questions', () => {
  expect(fewerVotesNote(10, 8, 8)).toBeUndefined();
  expect(fewerVotesNote(300, 24, 20)).toBe(
    'label.votes is 300, but a round asks for at most 24 votes: one question for each of its 20 prompts; ' +
      'give it more prompts (prompts.perRound), or raise label.overlap.',
  );
});

test('people who are left out and have not voted are told, with those who have', () => {
  expect(notVotedNote(['ann'], ['ben', 'ann'])).toBeUndefined();
  expect(notVotedNote(['zoe', 'ann'], ['ben', 'ann', 'ben'])).toBe(
    'label.leaveOut names zoe, but there is no vote by that person; the people who have voted are ann, ben.',
  );
  expect(notVotedNote(['zoe', 'yan'], [])).toBe(
    'label.leaveOut names zoe, yan, but there is no vote by these people; nobody has voted.',
  );
});
