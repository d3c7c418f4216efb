/** Many people at once: all of them are served in turn, and wait for a time that is told. */
import { expect, it } from 'vitest';
import { claim, vote } from '../../workers/voting/voting.ts';
import { questions, startVoting } from '../people.ts';
import { peopleServer, storedBy } from './people-server.ts';

const server = peopleServer();

it('200 people at once answer 300 questions, each vote once', async () => {
  const { client, store } = server;
  const lists = [1, 2, 3].map((block) => questions(100).map(({ id }) => ({ id: `${block}${id}`, votes: 1 })));
  const voting = await startVoting(
    client,
    'crowd',
    lists.map((list) => ({ list })),
  );
  const people = Array.from({ length: 200 }, (_, i) => `person-${i}`);
  const latencies: Record<'claim' | 'vote', number[]> = { claim: [], vote: [] };
  const timed = async <T>(what: 'claim' | 'vote', work: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    const result = await work();
    latencies[what].push(performance.now() - from);
    return result;
  };
  const confirmed: string[] = [];
  const began = performance.now();
  await Promise.all(
    people.map(async (person) => {
      for (;;) {
        const claimed = await timed('claim', () => claim(client, voting, person));
        if (!claimed) return;
        const { block, lease, question } = claimed;
        await timed('vote', () => vote(client, block, { person, lease, choice: 'left', seconds: 1 }));
        confirmed.push(`${question} ${person}`);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const { votes } = await storedBy(client, store, voting);
  expect(votes.map(({ question, person }) => `${question} ${person}`).sort()).toEqual(confirmed.sort());
  expect(new Set(votes.map(({ question }) => question)).size).toBe(300);
  // Nobody is passed over: everybody holds a question before anybody gets a second one, except where a block has fewer than its share.
  expect(new Set(votes.map(({ person }) => person)).size).toBeGreaterThan(150);
  const told = Object.entries(latencies).map(([what, times]) => {
    const at = (share: number) => times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))].toFixed(0);
    return `${times.length} ${what}s: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`;
  });
  console.info(`200 people, 300 questions, ${seconds.toFixed(1)} s; ${told.join('; ')}`);
});
