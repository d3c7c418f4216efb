/** Runs whose rounds people label: a real server, worker, engine and store, and people who answer through the pages' client. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readQuestion, readQuestions } from '../../activities/people/questions.ts';
import { readVotes } from '../../activities/people/votes.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { inputOf } from '../../artifacts/manifest.ts';
import { loadConfig } from '../../config/load.ts';
import type { RunConfig } from '../../config/run.ts';
import { contentOf } from '../../data/conversation.ts';
import { parseJsonl } from '../../data/jsonl.ts';
import { labelRecordSchema } from '../../data/records.ts';
import { readPeople } from '../../report/people.ts';
import { EVERYBODY } from '../../web/access/access.ts';
import { byInvitation } from '../../web/access/by-invitation.ts';
import { Invitations } from '../../web/access/invitations.ts';
import { temporalDesk } from '../../web/label/desk.ts';
import { decide, retryRun } from '../../workers/runs/decisions.ts';
import { findGarbage, reachedByRuns } from '../../workers/garbage.ts';
import { webApp } from '../../web/app.ts';
import { findRun, startRun } from '../../workers/runs/runs.ts';
import { claim, vote } from '../../workers/voting/voting.ts';
import { progressOf } from '../../workers/voting/voting-progress.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { pauseUpdate, resumeUpdate, skipUpdate } from '../../workflows/decisions.ts';
import { roundWorkflowId } from '../../workflows/ids.ts';
import { closeVotingUpdate } from '../../workflows/people/decisions.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { startOwnWorker, type OwnWorker } from '../own-worker.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { answer, openedVoting } from '../voters.ts';
import { servePages } from '../web/pages.ts';
import { Voter } from '../web/voter.ts';

const goldRow = (i: number) => ({ prompt: `Gold ${i}?`, chosen: `right ${i}`, rejected: `wrong ${i}` });

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

const config = {
  name: 'asked',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
  rounds: 2,
  sample: { maxNewTokens: 12, samplesPerPrompt: 2, temperature: 1, shardSize: 6 },
  label: { by: 'people', votes: 8, overlap: 0, guidelines: './guidelines.md', repeatShare: 0 },
  optimize: { learningRate: 1e-3, batchSize: 4 },
  evaluate: { maxNewTokens: 12, labeler: { by: 'verifier' } },
};

let worker: OwnWorker;
let client: Client;
beforeAll(async () => {
  tinyModel(join(folder, 'model'));
  write('train.jsonl', jsonl(tinyPrompts(20)));
  write('held-out.jsonl', jsonl(tinyPrompts(4, 1000)));
  write('gold.jsonl', jsonl([1, 2, 3, 4].map(goldRow)));
  write('guidelines.md', '# Prefer the response with more vowels\n');
  worker = await startOwnWorker(env);
  client = await worker.connect();
});
afterAll(async () => {
  await client.connection.close();
  await worker.stop();
});

const configOf = (changes: Record<string, unknown> & { name: string }): RunConfig => {
  write('run.yaml', stringify({ ...config, ...changes }));
  return loadConfig(join(folder, 'run.yaml'));
};
const start = (changes: Record<string, unknown> & { name: string }) => startRun(client, configOf(changes));

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await selm(args, env);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

const statusOf = async (name: string) => (await findRun(client, name)).query(runStatusQuery);
const state = async (name: string) => (await statusOf(name)).state;
const ended = async (name: string): Promise<RunStatus> => (await findRun(client, name)).result();

/** Votes of three people on eight questions, with crowd-kit's posterior of the model of Dawid and Skene (test/fixtures/agreement). */
const agreement = readFileSync('test/fixtures/agreement/agreement.json', 'utf8');
const table = (
  JSON.parse(agreement) as {
    cases: { name: string; votes: Class[][]; posterior: Record<string, Record<Class, number>> }[];
  }
).cases.find(({ name }) => name === 'three people, eight questions')!;
type Class = 'first' | 'second' | 'tie' | 'both-bad';
const PEOPLE = ['ann', 'ben', 'cem'];

it('a run asks people over HTTP in every round, is paused and stopped in the middle, and trains on exactly what they confirmed', async () => {
  const label = {
    ...config.label,
    votes: 24,
    overlap: 1,
    aggregation: 'dawid-skene',
    gold: './gold.jsonl',
    goldShare: 0.3,
  };
  await start({ name: 'asked', label });
  const store = new LocalStore(join(env.SELM_HOME, 'artifacts'));
  const first = await openedVoting(client, 'asked', 1);
  expect(await done('status', 'asked')).toContain('0 of 24 votes');

  const invitations = new Invitations(env.SELM_HOME);
  const access = byInvitation(invitations, { others: EVERYBODY, secure: false, home: () => '/label' });
  const { origin, close } = await servePages(webApp(client, store, { access, label: temporalDesk(client) }));
  const voters: Voter[] = [];
  for (const name of PEOPLE) voters.push(await Voter.join(origin, (await invitations.invite(name, 1, false)).token));
  const records = await readQuestions(store, first.questions);
  const asked = records.filter(({ gold }) => gold === undefined);
  const confirmed: string[] = [];
  /** A person votes as the table says; ben answers gold questions wrong. */
  const vote = async (person: number, most?: number) => {
    const answered = await voters[person].vote(
      'asked',
      async ({ question, block, texts }) => {
        if (!first.blocks.includes(block)) return undefined;
        const { responses } = await readQuestion(store, first.questions, question);
        const own = responses.map(contentOf);
        expect(own).toEqual(expect.arrayContaining(texts));
        const { gold } = records.find(({ id }) => id === question)!;
        const known = gold === undefined ? undefined : (['first', 'second'] as const)[person === 1 ? 1 - gold : gold];
        const given = known ?? table.votes[person][asked.findIndex(({ id }) => id === question)];
        if (given === 'tie' || given === 'both-bad') return given;
        const isLeft = (given === 'first') === (texts[0] === own[0]);
        return isLeft ? 'left-slightly' : 'right-much';
      },
      most,
    );
    confirmed.push(...answered.map((question) => `${PEOPLE[person]} ${question}`));
  };

  await vote(0, 3);
  await decide(client, 'asked', pauseUpdate);
  await worker.until('the run is paused', async () => (await state('asked')) === 'paused');
  await expect(answer(client, first, 'ben', 1)).rejects.toThrow('The run is paused');
  expect((await voters[1].ask('asked')) === undefined).toBe(true);
  await decide(client, 'asked', resumeUpdate);
  await openedVoting(client, 'asked', 1);
  await vote(1, 2);

  // Stopped while cem holds a question: the page takes the answer, and gives no further question.
  const held = (await voters[2].ask('asked'))!;
  await done('stop', 'asked');
  expect((await ended('asked')).state).toBe('stopped');
  const tie = { ...held, answer: 'tie' };
  expect((await voters[2].send('/label/asked/vote', tie)).status).toBe(303);
  expect(await voters[2].page('asked')).toContain('asks for no votes at the moment');
  await start({ name: 'asked', label });
  const again = await openedVoting(client, 'asked', 1);
  expect(again).toEqual(first);
  const { byPerson } = await progressOf(client, again);
  const votesIn = Object.values(byPerson).reduce((sum, { votes, further }) => sum + votes + further, 0);
  expect(votesIn).toBe(confirmed.length + 1);
  // The answer while the run was stopped is withdrawn, and given as the table says.
  expect((await voters[2].send('/label/asked/undo', { ...held, request: 'again' })).status).toBe(303);
  await Promise.all(PEOPLE.map((_, person) => vote(person)));

  const second = await openedVoting(client, 'asked', 2);
  const further: string[] = [];
  for (const voter of voters) further.push(...(await voter.vote('asked', () => 'left-much', 2)));
  const goldIds = (await readQuestions(store, second.questions)).flatMap(({ id, gold }) =>
    gold === undefined ? [] : id,
  );
  const votes = further.filter((question) => !goldIds.includes(question)).length;
  expect(await done('label', 'close', 'asked')).toBe('Run "asked" goes on with the votes that are in.');
  const { state: end, results } = await ended('asked');
  close();
  expect(end).toBe('done');
  const [counts, late] = results.map(({ label: { counts: found } }) => found!);
  // Of the eight questions, crowd-kit finds five with a better response, two ties, and one with two bad ones.
  const expected = {
    asked: 8,
    preferred: 5,
    ties: 2,
    bothBad: 1,
    disagreed: 0,
    withoutVotes: 0,
    votes: 24,
    unasked: 2,
  };
  expect(counts).toEqual(expected);
  expect(late).toMatchObject({ asked: 8, votes, unasked: 2 });
  expect(results.map(({ label: { preferences } }) => preferences)).toEqual([5, late['preferred']]);

  const { recipe } = await store.manifest(results[0].artifacts.preferences);
  const shards = await Promise.all(
    [recipe.inputs['labels']].flat().map(async (address) => ({
      manifest: await store.manifest(address),
      labels: parseJsonl('labels', await store.readText(address, 'labels.jsonl'), labelRecordSchema),
    })),
  );
  const labels = new Map(shards.flatMap((shard) => shard.labels).map((one) => [one.id, one]));
  for (const [i, { prompt_id: id, candidates }] of asked.entries()) {
    const { first: p = 0, second: q = 0 } = table.posterior[`q${i}`];
    const { confidence, candidates: scored } = labels.get(id)!;
    const isPreferred = ['q0', 'q2', 'q4', 'q5', 'q7'].includes(`q${i}`);
    expect([id, confidence !== undefined]).toEqual([id, isPreferred]);
    const scores = isPreferred ? [p / (p + q), q / (p + q)] : [0.5, 0.5];
    expect(scored).toEqual(candidates.map((index, j) => ({ index, score: expect.closeTo(scores[j], 9) as number })));
  }
  const [{ manifest }] = shards;
  const [block] = [manifest.recipe.inputs['votes']].flat();
  const stored = (await readVotes(store, block)).votes.map(({ person, question }) => `${person} ${question}`);
  expect(stored.sort()).toEqual(confirmed.sort());
  const { people } = (await readPeople(store, results[0], []))!;
  const gold = people.map((person) => person.gold);
  expect(gold).toEqual(gold.map(({ of }, person) => ({ count: person === 1 ? 0 : of, of })));
  expect(gold.reduce((sum, { of }) => sum + of, 0)).toBe(confirmed.length - 24);
  expect(confirmed.length).toBeGreaterThan(24);

  // Nothing is garbage: what the histories name is kept, and after they have expired, what led to the policy.
  const histories = await findGarbage(store, () => reachedByRuns(client), new Date());
  expect(histories.map((artifact) => artifact.manifest.kind)).toEqual([]);
  const expired = await findGarbage(store, () => Promise.resolve({ addresses: [] }), new Date());
  expect(expired.map((artifact) => artifact.manifest.kind)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(questions|votes|labels|guidance)$/)]),
  );

  const questions = inputOf(manifest, 'questions');
  expect(await store.readText(questions, 'guidelines.md')).toBe('# Prefer the response with more vowels\n');
});

/** The labels of a round's only shard, and their recipe. */
async function labelsOf({ results }: RunStatus, round = 1) {
  const store = new LocalStore(join(env.SELM_HOME, 'artifacts'));
  const { recipe } = await store.manifest(results[round - 1].artifacts.preferences);
  const labels = [recipe.inputs['labels']].flat();
  return Promise.all(
    labels.map(async (address) => ({ address, inputs: (await store.manifest(address)).recipe.inputs })),
  );
}

const oneShard = { ...config.sample, shardSize: 32 };

it('a deadline parks the run, which waits again, fails later, and is restarted: votes are kept, and nobody is asked twice', async () => {
  const parked = {
    name: 'parked',
    rounds: 1,
    sample: oneShard,
    label: { ...config.label, votes: 6, deadline: 0.001, atDeadline: 'park' },
    // Diverges.
    optimize: { ...config.optimize, learningRate: 1e30 },
  };
  await start(parked);
  const voting = await openedVoting(client, 'parked', 1);
  expect(voting.deadline).toMatch(/^\d{4}-.+Z$/);
  await answer(client, voting, 'ann', 2);
  await worker.until('the deadline has passed', async () => (await state('parked')) === 'parked');
  const status = await done('status', 'parked');
  expect(status).toMatch(
    /Waits since .+Z: not all votes were in at the deadline, after 0\.001 hours \(label\.deadline\)/,
  );
  expect(status).toContain('selm retry parked --set label.deadline=HOURS | selm label close parked | selm skip parked');
  await expect(answer(client, voting, 'ben', 1)).rejects.toThrow('The run is paused');

  await retryRun(client, 'parked', { settings: { 'label.deadline': 1 } });
  const again = await openedVoting(client, 'parked', 1);
  expect(await progressOf(client, again)).toMatchObject({ asked: 6, votes: 2 });
  await answer(client, again, 'ben', 1);

  // Restarted in the middle: terminated with its round, and started anew.
  const changed = { ...parked, label: { ...parked.label, deadline: 1 } };
  await startRun(client, configOf(changed), { restart: true });
  const restarted = await openedVoting(client, 'parked', 1);
  expect(await progressOf(client, restarted)).toMatchObject({ asked: 6, votes: 3 });
  await answer(client, restarted, 'cleo', 3);
  await worker.until('training has diverged', async () => (await statusOf('parked')).failure?.step === 'optimize');
  await retryRun(client, 'parked', { settings: { 'optimize.learningRate': 1e-3 } });
  const first = await ended('parked');
  expect(first.results[0].label.counts).toMatchObject({ votes: 6, preferred: 6 });
  const [labels] = await labelsOf(first);

  // Without one of the people: other labels of the same votes, and what follows is computed again.
  await start({ ...changed, label: { ...changed.label, leaveOut: ['cleo', 'zoe'] }, optimize: config.optimize });
  const without = await ended('parked');
  expect(without.results[0].warnings).toContain(
    'label.leaveOut names zoe, but there is no vote by that person; the people who have voted are ann, ben, cleo.',
  );
  expect(without.results[0].label.counts).toMatchObject({ votes: 3, leftOutVotes: 3, withoutVotes: 3 });
  const [others] = await labelsOf(without);
  expect(others.inputs).toEqual(labels.inputs);
  expect(others.address).not.toBe(labels.address);
  expect(without.results[0].policy).not.toBe(first.results[0].policy);
  const steps = await done('verify', 'parked');
  expect(steps).toMatch(/^(\d+) of \1 steps have the same bytes\..* Skipped: 1 given by people\./);
});

it('at the deadline the run goes on with the votes that are in; late ones are used by the next round', async () => {
  const otherwise = { by: 'verifier' };
  const label = { ...config.label, votes: 4, deadline: 0.001, otherwise, leaseMinutes: 0.01 };
  const late = { name: 'late', rounds: 3, sample: oneShard, label, optimize: config.optimize };
  await start(late);
  const voting = await openedVoting(client, 'late', 1);
  const [answered] = await answer(client, voting, 'ann', 1);
  const open = (await claim(client, voting, 'ann'))!;
  await openedVoting(client, 'late', 2);
  const { block, lease } = open;
  expect(await vote(client, block, { person: 'ann', lease, choice: 'left', seconds: 3 })).toBe('late');
  // A restarted run keeps it.
  await startRun(client, configOf(late), { restart: true });
  const status = await ended('late');
  expect(status).toMatchObject({ state: 'done', lateVotes: 1 });
  const counts = status.results.map(({ label: { counts: found = {} } }) => [found['votes'], found['lateVotes']]);
  expect(counts).toEqual([
    [1, undefined],
    // The late vote on a question of the first round. The second round is the next one, since it began again.
    [1, 1],
    [0, undefined],
  ]);
  const [, further] = await labelsOf(status, 2);
  expect(further.inputs['questions']).toBe(voting.questions);
  const store = new LocalStore(join(env.SELM_HOME, 'artifacts'));
  const [record] = parseJsonl('labels', await store.readText(further.address, 'labels.jsonl'), labelRecordSchema);
  expect(record.confidence).toBe(1);
  const preferences = await store.readText(status.results[1].artifacts.preferences, 'preferences.jsonl');
  expect(preferences).toContain(`"id":"${record.id}"`);
  expect(answered.question).not.toBe(open.question);
  // What the labeler `otherwise` prefers has no confidence.
  expect(status.results[1].label.preferences).toBeGreaterThanOrEqual(1);
});

it('while a round waits, its page, selm status and Temporal say how many votes are in, from whom, at what rate and until when; it is closed while it is paused', async () => {
  const label = { ...config.label, votes: 12, deadline: 24 };
  await start({ name: 'told', rounds: 1, sample: oneShard, label });
  const voting = await openedVoting(client, 'told', 1);
  const { origin, close } = await servePages(webApp(client, new LocalStore(join(env.SELM_HOME, 'artifacts'))));
  const events = new AbortController();
  const { body } = await fetch(`${origin}/runs/told/events`, { signal: events.signal });
  const live = body!.pipeThrough(new TextDecoderStream()).getReader();
  await answer(client, voting, 'ann', 8);
  await answer(client, voting, 'ben', 2);

  const told =
    /10 of 12 votes are in \(ann 8, ben 2\), \d+ an hour: all by 20\S+Z\. The deadline is 20\S+Z\.[^]+ vote on the page that selm ui --label serves/;
  // The page that is open learns it by itself.
  for (let seen = ''; !told.test(seen);) {
    const { value, done: isOver } = await live.read();
    expect(isOver).toBe(false);
    seen += value;
  }
  events.abort();
  const page = await (await fetch(`${origin}/runs/told`)).text();
  expect(page).toMatch(told);
  expect(page).toMatch(/<td>ann<\/td>\s*<td>8<\/td>\s*<td>0<\/td>\s*<td>0<\/td>/);
  close();
  expect(await done('status', 'told')).toMatch(told);
  const run = await findRun(client, 'told');
  for (const workflow of [run, client.workflow.getHandle(roundWorkflowId(run.workflowId, 1))]) {
    const details = async () => {
      const shown = await workflow.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      return shown.currentDetails.split('\n').filter((line) => /vot|deadline/.test(line));
    };
    await expect
      .poll(details, { interval: 100 })
      .toEqual([
        expect.stringMatching(/^- waits for people: at least 10 of 12 votes are in/),
        '- votes by ann 8, ben 2',
        expect.stringMatching(/^- \d+ votes an hour since the first one: all by 20\S+Z$/),
        expect.stringMatching(/^- deadline: 20\S+Z$/),
        '- people vote on the page that `selm ui --label` serves',
      ]);
  }

  // Closed while the run is paused: it goes on with the votes that are in, once it is resumed.
  await decide(client, 'told', pauseUpdate);
  await worker.until('the run is paused', async () => (await state('told')) === 'paused');
  expect(await done('label', 'close', 'told')).toBe('Run "told" goes on with the votes that are in.');
  await expect(decide(client, 'told', closeVotingUpdate)).rejects.toThrow('is closing its voting already');
  await decide(client, 'told', resumeUpdate);
  expect((await ended('told')).results[0].label.counts).toMatchObject({ votes: 10, preferred: 10, withoutVotes: 2 });
});

it('a round that is skipped after its deadline closes its voting', async () => {
  const label = { ...config.label, votes: 2, deadline: 0.0005, atDeadline: 'park' };
  await start({ name: 'skipped', rounds: 1, sample: oneShard, label });
  const { blocks } = await openedVoting(client, 'skipped', 1);
  await worker.until('the deadline has passed', async () => (await state('skipped')) === 'parked');
  await decide(client, 'skipped', skipUpdate);
  expect((await ended('skipped')).skipped).toEqual([1]);
  await client.workflow.getHandle(blocks[0]).result();
});
