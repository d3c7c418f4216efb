/** What the page of a run says while people vote. */
import { expect, test } from 'vitest';
import { firstLine, votingLines, type VotingView } from '../../report/voting.ts';
import { progressHtml } from '../../web/label/progress.ts';
import { nothingLeft } from '../../web/label/states.ts';
import { nowSection } from '../../web/run-now.ts';
import type { RunProgress } from '../../workers/runs/progress.ts';

test('votes are counted by person, at the rate and with the end that selm status says', () => {
  const voting: VotingView = {
    asked: 40,
    votes: 12,
    open: 25,
    fromOthers: 2,
    leases: 2,
    byPerson: { ben: { votes: 4, further: 3, skips: 1 }, '<b>anna</b>': { votes: 8, further: 0, skips: 0 } },
    perHour: 30,
    expectedEnd: '2026-11-29T18:00:00.000Z',
  };
  const status = { name: 'asked', state: 'running' } as RunProgress['status'];
  const { text } = nowSection({ status, voting, pending: [] }).content;
  expect(text).toContain('<progress aria-label="Votes that are in" max="40" value="12">');
  for (const line of votingLines('asked', voting)) expect(text).toContain(line.replace(/<(\/?)b>/g, '&lt;$1b&gt;'));
  const cells = [...text.matchAll(/<td>([^<]*)<\/td>/g)].map(([, cell]) => cell);
  expect(cells).toEqual(['&lt;b&gt;anna&lt;/b&gt;', '8', '0', '0', 'ben', '4', '3', '1']);
});

const progress = {
  asked: 12,
  votes: 4,
  open: 7,
  skips: 1,
  fromOthers: 3,
  leases: 0,
  byPerson: {
    ann: { votes: 3, further: 2, skips: 0, last: '2026-11-29T12:00:00.000Z' },
    ben: { votes: 1, further: 0, skips: 1, last: '2026-11-29T12:00:00.000Z' },
  },
  perHour: 30,
};
const voting = { run: 'asked', round: 1, questions: 'q', blocks: [] };
const plain = (html: string) => html.replace(/<[^>]*>/g, '').replace(/\s+/g, ' ');

test('counts add up: of the votes by person, of those that skips have used up, of gold questions and repeats', () => {
  expect(votingLines('asked', progress)[0]).toBe(
    'Waits for people: 4 of 12 votes are in (ann 3, ben 1; besides 2 on gold questions and repeats), 1 used up by skips, 7 to go, ' +
      '30 an hour. 3 votes can only come from people who have not voted yet: invite somebody (selm label invite PERSON), ' +
      'or selm label close asked.',
  );
  const page = progressHtml(voting, progress, 'ann').text;
  expect(plain(page)).toContain('Round 1: 4 votes, 1 used up by skips, 7 to go');
  expect(page).toContain('<progress value="5" max="12">');
  expect(plain(page)).toContain('You: 5 votes (with gold questions and repeats).');
});

test('a log that begins to show a voting says what is in already', () => {
  const vote = 'They vote on the page that selm ui --label serves; selm label invite PERSON makes a link for a person.';
  const open = { ...progress, open: 8, fromOthers: 0 };
  expect(firstLine('asked', 1, { ...open, votes: 0, open: 12, byPerson: {}, perHour: 0 })).toBe(
    `Round 1 asks people for 12 votes. ${vote} selm label close asked goes on with the votes that are in.`,
  );
  expect(firstLine('asked', 1, open)).toBe(
    'The voting of round 1 continues. Waits for people: 4 of 12 votes are in ' +
      `(ann 3, ben 1; besides 2 on gold questions and repeats), 30 an hour. ${vote} ` +
      'selm label close asked goes on with the votes that are in.',
  );
  const all = { ...open, votes: 12, open: 0, byPerson: { ann: { votes: 12, further: 0, skips: 0 } } };
  expect(firstLine('asked', 1, all)).toBe('Round 1: The voting ends: 12 of 12 votes are in (ann 12).');
  expect(firstLine('asked', 1, { ...all, closing: true })).toMatch(
    /^Round 1: The voting closes: 12 of 12 votes are in/,
  );
});

const told = (changes: object) => plain(nothingLeft(voting, { ...progress, ...changes }, 'ann').work.text);

test('a person for whom nothing is left reads who can give the votes that are still to come', () => {
  const open = 'The 7 votes still to come are of people who have not answered these questions yet.';
  expect(told({})).toContain(
    `${open} 3 votes can only come from people who have not voted yet: somebody else is needed.`,
  );
  expect(told({ fromOthers: 0 })).toContain(open);
  expect(told({ fromOthers: 0 })).not.toContain('somebody else');
  expect(told({ fromOthers: 0, open: 0 })).not.toContain('still to come');
});
