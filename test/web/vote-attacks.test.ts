/** Votes under attack and under load: forms as browsers send them, over HTTP, to the blocks of a voting on a real Temporal server. */
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EVERYBODY } from '../../web/access/access.ts';
import { byInvitation } from '../../web/access/by-invitation.ts';
import { Invitations } from '../../web/access/invitations.ts';
import { webApp } from '../../web/app.ts';
import { temporalDesk } from '../../web/label/desk.ts';
import { closeVoting, type Voting } from '../../workers/voting/voting.ts';
import { blockWorkflowId, runWorkflowId } from '../../workflows/ids.ts';
import type { BlockInput } from '../../workflows/people/protocol.ts';
import { handleOf, questions, startBlock } from '../people.ts';
import { temporaryFolder } from '../temporary.ts';
import { peopleServer, storedBy } from '../workers/people-server.ts';
import { writeQuestions } from './label/questions.ts';
import { servePages, visit, type Answer } from './pages.ts';
import { Voter } from './voter.ts';

const server = peopleServer();
const invitations = new Invitations(joinPath(temporaryFolder(), 'home'));
const votings = new Map<string, Voting>();
let origin: string;
let close: () => void;

beforeAll(async () => {
  // The votings of this test have no run that could be asked for them.
  const label = { ...temporalDesk(server.client), of: async (run: string) => votings.get(run) };
  const access = byInvitation(invitations, { others: EVERYBODY, secure: false, home: () => '/label' });
  ({ origin, close } = await servePages(webApp(server.client, server.store, { access, label })));
});
afterAll(() => close());

/** Starts a voting of `blocks` blocks with `count` questions each, one vote each. */
async function startVoting(run: string, count: number, blocks = 1, changes: Partial<BlockInput> = {}): Promise<Voting> {
  const asked = Array.from({ length: count * blocks }, (_, i) => ({
    prompt: `Question ${i} of ${run}`,
    responses: ['one', 'two'] as [string, string],
  }));
  const address = await writeQuestions(server.store, asked);
  const ids = Array.from({ length: blocks }, (_, i) => blockWorkflowId(runWorkflowId(run), address, i + 1));
  const voting = { run, round: 1, questions: address, blocks: ids };
  const all = questions(count * blocks);
  for (let i = 0; i < blocks; i++)
    await startBlock(server.client, voting, i + 1, { list: all.slice(i * count, (i + 1) * count), ...changes });
  votings.set(run, voting);
  return voting;
}

const invite = async (name: string): Promise<Voter> =>
  Voter.join(origin, (await invitations.invite(name, 1, false)).token);

const refusal = ({ status, text }: Answer) => [status, /data-waiting>\s*<p>([^<]*)</.exec(text)?.[1]];

it('only the person who was asked votes, once, and on pages of this site', async () => {
  const voting = await startVoting('guarded', 2);
  const [ann, bob] = [await invite('ann'), await invite('bob')];
  const path = '/label/guarded/vote';
  const form = { ...(await ann.ask('guarded'))!, answer: 'left-much' };
  const own = (await bob.ask('guarded'))!;

  // Nobody, another site, and a link.
  expect(
    (await visit(origin + path, { method: 'POST', headers: { origin }, body: new URLSearchParams(form) })).status,
  ).toBe(403);
  expect((await ann.send(path, form, {})).status).toBe(403);
  expect((await ann.send(path, form, { origin: 'https://attacker.test' })).status).toBe(403);
  expect((await ann.send(path, form, { origin, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect((await ann.send(path, { ...form, _csrf: own['_csrf'] })).status).toBe(403);
  const link = `${origin}${path}?${new URLSearchParams(form)}`;
  expect((await visit(link, { headers: { cookie: ann.cookie } })).status).toBe(404);

  // Another person with the lease of the first, or a name of their own.
  const stolen = { ...form, _csrf: own['_csrf'] };
  expect(refusal(await bob.send(path, stolen))).toEqual([
    409,
    expect.stringMatching(/^This question is not held for you/),
  ]);
  expect(refusal(await bob.send(path, { ...stolen, person: 'ann' }))[0]).toBe(409);
  expect(refusal(await bob.send('/label/guarded/skip', { ...stolen, reason: 'other' }))[0]).toBe(409);

  // Workflows that are not blocks of this run.
  for (const block of ['selm-guarded', 'selm-guarded/votes-0-1', 'selm-other/votes-0-1', '../selm-guarded', '\u0000'])
    expect([block, refusal(await ann.send(path, { ...form, block }))[0]]).toEqual([block, 409]);
  // Answers and texts that no page has.
  const wrong: Record<string, string>[] = [
    { answer: 'first' },
    { answer: '__proto__' },
    { seconds: '-1' },
    { seconds: 'Infinity' },
    { lease: '' },
    { view: 'x' },
  ];
  for (const fields of wrong)
    expect([fields, refusal(await ann.send(path, { ...form, ...fields }))[0]]).toEqual([fields, 409]);
  const { _csrf } = own;
  const withoutButton = await bob.send('/label/guarded/undo', { _csrf, view: 'formatted' });
  expect(refusal(withoutButton)[1]).toMatch(/^This form has no valid .*request/);
  expect(withoutButton.text).toMatch(/<h1[^>]*>Nothing was changed<\/h1>/);

  // Sent twice at once and once more: one vote. Another answer to it is refused.
  const sent = await Promise.all([ann.send(path, form), ann.send(path, form)]);
  expect([...sent, await ann.send(path, form)].map(({ status }) => status)).toEqual([303, 303, 303]);
  expect(refusal(await ann.send(path, { ...form, answer: 'tie' }))).toEqual([
    409,
    'You have answered this question already: undo the answer to change it.',
  ]);
  await closeVoting(server.client, voting);
  expect(refusal(await bob.send(path, { ...own, answer: 'tie' }))[0]).toBe(303);
  const { votes, skips } = await storedBy(server.client, server.store, voting);
  expect(votes.map(({ person, choice }) => [person, choice]).sort()).toEqual([
    ['ann', expect.toBeOneOf([0, 1])],
    ['bob', 'tie'],
  ]);
  expect(skips).toEqual([]);
});

it('a vote after the deadline is not confirmed, and not in the artifact', async () => {
  const voting = await startVoting('late', 2, 1, { leaseSeconds: 1 });
  const eve = await invite('eve');
  const form = { ...(await eve.ask('late'))!, answer: 'left-much' };
  // As the round does at its deadline. A question that is held then may still be answered until its lease ends.
  await closeVoting(server.client, voting);
  await handleOf(server.client, voting.blocks[0]).result();
  const { status } = await eve.send('/label/late/vote', form);
  expect(status).toBe(409);
  expect((await storedBy(server.client, server.store, voting)).votes).toEqual([]);
  expect(await eve.ask('late')).toBeUndefined();
});

it('a revoked person does not vote with the page that is still open', async () => {
  await startVoting('revoked', 1, 1, { leaseSeconds: 2 });
  const mallory = await invite('mallory');
  const form = { ...(await mallory.ask('revoked'))!, answer: 'tie' };
  await invitations.revoke('mallory');
  expect((await mallory.send('/label/revoked/vote', form)).status).toBe(403);
  await closeVoting(server.client, votings.get('revoked')!);
  expect((await storedBy(server.client, server.store, votings.get('revoked')!)).votes).toEqual([]);
});

it('200 people at once vote over HTTP: none fails, every confirmed vote is stored once', async () => {
  const [people, blocks, count] = [200, 2, 100];
  const voting = await startVoting('crowd', count, blocks);
  const voters: Voter[] = [];
  for (let i = 0; i < people; i++) voters.push(await invite(`person-${i}`));
  const times: Record<'question' | 'vote', number[]> = { question: [], vote: [] };
  const timed = async <T>(what: 'question' | 'vote', work: Promise<T>): Promise<T> => {
    const from = performance.now();
    const result = await work;
    times[what].push(performance.now() - from);
    return result;
  };
  const confirmed: string[] = [];
  const began = performance.now();
  await Promise.all(
    voters.map(async (voter, i) => {
      for (;;) {
        const form = await timed('question', voter.ask('crowd'));
        if (!form) return;
        const { status } = await timed('vote', voter.send('/label/crowd/vote', { ...form, answer: 'right-slightly' }));
        expect(status).toBe(303);
        confirmed.push(`${form['lease']} ${i}`);
      }
    }),
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { votes } = await storedBy(server.client, server.store, voting);
  expect(votes.length).toBe(confirmed.length);
  expect(new Set(votes.map(({ question }) => question)).size).toBe(count * blocks);
  const told = Object.entries(times).map(([what, all]) => {
    const at = (share: number) => all.toSorted((a, b) => a - b)[Math.floor(share * (all.length - 1))].toFixed(0);
    return `${all.length} × ${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`;
  });
  console.info(`${people} people at once, ${votes.length} votes in ${seconds} s; ${told.join('; ')}`);
});
