/** The people who labeled a round, read from its artifacts, as the report shows them. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask } from '../../activities/people/ask.ts';
import { readQuestions } from '../../activities/people/questions.ts';
import { storeLateVotes } from '../../activities/people/late-votes.ts';
import { tally, type TallyInput } from '../../activities/people/tally.ts';
import { SKIPS, VOTES } from '../../activities/people/votes.ts';
import { prefer } from '../../activities/prefer.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { SkipRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import { agreementNotes, PEOPLE_HEAD, peopleRows, peopleSection, readPeople } from '../../report/people.ts';
import { sampledRow, storeResponses } from '../activities/people/responses.ts';
import { testContext } from '../activities/context.ts';

const context = testContext();
const { store } = context;

const rows = Array.from({ length: 12 }, (_, i) => sampledRow(`p${i}`, [`good ${i}`, `bad ${i}`]));
const shards = await Promise.all([rows.slice(0, 6), rows.slice(6)].map((part) => storeResponses(store, part)));
const { address: questions } = await ask(
  context,
  {
    responses: shards,
    policy: 'p',
    start: 'p',
    asking: { votes: 36, overlap: 1, strategy: 'random', randomShare: 1, goldShare: 0 },
    beta: 0.1,
    seed: 1,
    threads: 1,
  },
  {},
);
const records = await readQuestions(store, questions);

/** Ada is always right, Ben always votes for the response on the left, Eve always for the worse one. */
const ANSWERS: Record<string, (good: 0 | 1, left: 0 | 1) => 0 | 1> = {
  Ada: (good) => good,
  Ben: (_, left) => left,
  Eve: (good) => (good === 0 ? 1 : 0),
};
const votes = records.flatMap(({ id, candidates }, i) =>
  Object.entries(ANSWERS).map(([person, answer]): VoteRecord => {
    const left = i % 2 === 0 ? 0 : 1;
    const choice = answer(candidates[0] === 0 ? 0 : 1, left);
    return { question: id, person, choice, left, seconds: person === 'Ben' ? 1 : 6, at: '2026-11-29T12:00:00.000Z' };
  }),
);
const skips: SkipRecord[] = [
  { question: records[0].id, person: 'Flo', skip: 'language', at: '2026-11-29T12:00:00.000Z' },
];

const blockOf = (given: VoteRecord[], number: number) =>
  store.create(
    'votes',
    { step: 'storeVotes', parameters: { block: number }, inputs: { questions }, seed: 0 },
    async (folder) => {
      await writeJsonl(join(folder, VOTES), given);
      await writeJsonl(join(folder, SKIPS), skips);
    },
  );
const block = await blockOf(votes, 1);

/** The preferences of the votes, as a round makes them. */
async function preferencesOf(more: Partial<TallyInput> = {}, late: string[] = []) {
  const tallied = await Promise.all(
    shards.map((responses) =>
      tally(context, { votes: [block], questions, responses, aggregation: 'majority', leaveOut: [], ...more }, {}),
    ),
  );
  const labels = [...tallied.map(({ address }) => address), ...late];
  const { address: preferences, summary } = await prefer(context, { labels, truncated: 'keep' }, {});
  return { labels, preferences, summary };
}

const peopleOf = async (preferences: string) =>
  (await readPeople(store, { artifacts: { preferences, evaluation: '' } }, []))!;

describe('the votes of a round', () => {
  test('are a table by person', async () => {
    const { preferences } = await preferencesOf();
    const people = await peopleOf(preferences);
    expect(PEOPLE_HEAD).toHaveLength(9);
    expect(peopleRows(people)).toEqual([
      [
        'Ada',
        '12',
        '',
        expect.stringMatching(/^\d+ % \[\d+, \d+\]$/),
        '6.0',
        '',
        '',
        expect.stringMatching(/ of 24$/),
        '',
      ],
      ['Ben', '12', '', '100 % [76, 100]', '1.0', '', '', '12 of 24', ''],
      ['Eve', '12', '', expect.any(String), '6.0', '', '', expect.stringMatching(/ of 24$/), ''],
      ['Flo', '0', '1 (1 language)', '', '', '', '', '', ''],
    ]);
    expect(agreementNotes(people)).toEqual([expect.stringContaining('from 12 questions with two or more votes')]);
  });

  test('are a section of the report, with warnings, and names are escaped', async () => {
    const { preferences } = await preferencesOf();
    const people = await peopleOf(preferences);
    people.people[0].person = '<b>Ada</b>';
    const { text } = peopleSection([{ round: 1 }, { round: 2, people }]);
    expect(text).toContain('Round 2');
    expect(text).not.toContain('Round 1');
    expect(text).toContain('&lt;b&gt;Ada');
    expect(text).toContain('Ben votes for the left response more often than chance explains: 12 of 12 votes');
    expect(text).toContain('Ben takes 1.0 seconds for a vote');
    expect(peopleSection([{ round: 1 }]).text).toBe('');
  });

  test('are those of the round: late votes on questions of an earlier one are only counted', async () => {
    const one = votes.slice(0, 1).map((vote) => ({ ...vote, person: 'Gus' }));
    const late = await storeLateVotes(context, { questions, votes: one }, {});
    const shard = records.find(({ id }) => id === one[0].question)!.shard!;
    const lateLabels = await tally(
      context,
      {
        votes: [block],
        questions,
        responses: shards[shard],
        late: late.address,
        aggregation: 'majority',
        leaveOut: [],
      },
      {},
    );
    const people = await peopleOf((await preferencesOf({}, [lateLabels.address])).preferences);
    expect(people.lateVotes).toBe(1);
    expect(people.people.map(({ person }) => person)).toEqual(['Ada', 'Ben', 'Eve', 'Flo']);
    expect(agreementNotes(people)).toContain('1 late vote on a question of an earlier round was used too.');
  });

  test('of a person who is left out do not count: labels and preferences are other artifacts', async () => {
    const [all, without, again] = [
      await preferencesOf(),
      await preferencesOf({ leaveOut: ['Eve', 'Ben'] }),
      await preferencesOf({ leaveOut: ['Ben', 'Eve'] }),
    ];
    for (const [i, address] of without.labels.entries()) expect(address).not.toBe(all.labels[i]);
    expect(without.preferences).not.toBe(all.preferences);
    expect(again.preferences).toBe(without.preferences);
    // Ada alone is always right.
    expect(without.summary).toMatchObject({ preferences: 12, meanScore: 0.5, counts: { leftOutVotes: 24 } });
    const chosen = (await store.readText(without.preferences, 'preferences.jsonl')).trimEnd().split('\n');
    for (const line of chosen) expect(line).toMatch(/"chosen":[^\]]*good/);
    const people = await peopleOf(without.preferences);
    expect(peopleRows(people).map(([name]) => name)).toEqual(['Ada', 'Ben (left out)', 'Eve (left out)', 'Flo']);
    expect(people.alpha).toBeUndefined();
  });

  test('of an earlier round make the names of people who are left out known', async () => {
    const [{ preferences: earlier }, { preferences }] = [
      await preferencesOf(),
      await preferencesOf({ votes: [await blockOf([{ ...votes[0], person: 'Gus' }], 2)], leaveOut: ['Ada', 'Zoe'] }),
    ];
    const artifacts = { preferences, evaluation: '' };
    const after = async (rounds: string[]) => {
      const before = rounds.map((round) => ({ artifacts: { preferences: round, evaluation: '' } }));
      return (await readPeople(store, { artifacts }, before))!.notVoted;
    };
    expect(await after([])).toBe(
      'label.leaveOut names Ada, Zoe, but there is no vote by these people; the people who have voted are Gus.',
    );
    expect(await after([earlier])).toBe(
      'label.leaveOut names Zoe, but there is no vote by that person; the people who have voted are Ada, Ben, Eve, Gus.',
    );
  });
});

test('a round that people did not label has no people', async () => {
  const labels = await store.create(
    'labels',
    { step: 'label', parameters: {}, inputs: { responses: shards[0] }, seed: 0 },
    (folder) => writeJsonl(join(folder, 'labels.jsonl'), []),
  );
  const preferences = await store.create(
    'preferences',
    { step: 'prefer', parameters: {}, inputs: { labels: [labels] }, seed: 0 },
    (folder) => writeJsonl(join(folder, 'preferences.jsonl'), []),
  );
  expect(await readPeople(store, { artifacts: { preferences, evaluation: '' } }, [])).toBeUndefined();
});
