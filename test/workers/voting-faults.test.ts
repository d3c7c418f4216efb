/** Votes while the worker and the server are killed: what was confirmed is in the artifact once, whatever happened since. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { sendUpdate } from '../../workers/voting/block-updates.ts';
import { RunUnanswered, TemporalFailed } from '../../workers/temporal/errors.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { EVERYBODY } from '../../web/access/access.ts';
import { byInvitation } from '../../web/access/by-invitation.ts';
import { Invitations } from '../../web/access/invitations.ts';
import { webApp } from '../../web/app.ts';
import { temporalDesk } from '../../web/label/desk.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { progressOf } from '../../workers/voting/voting-progress.ts';
import { claim, closeVoting, vote, votingOf, type Claim, type Voting } from '../../workers/voting/voting.ts';
import { voteUpdate } from '../../workflows/people/protocol.ts';
import { freePort } from '../free-port.ts';
import { questions, startVoting } from '../people.ts';
import { join as signIn, servePages, visit } from '../web/pages.ts';
import { testConfig } from '../workflows/stand-ins.ts';
import { temporaryFolder } from '../temporary.ts';
import { connect, storedBy } from './people-server.ts';

const home = temporaryFolder();
const store = new LocalStore(join(home, 'artifacts'));
let address: string;
let [server, worker]: (ChildProcess | undefined)[] = [];
let client: Client;

async function startServer() {
  const flags = `server start-dev --ip 127.0.0.1 --port ${address.split(':')[1]} --headless --log-level error`.split(
    ' ',
  );
  server = spawn(await findTemporal(console.error), [...flags, '--db-filename', join(home, 'temporal.db')], {
    stdio: 'ignore',
  });
}

/** The control worker as a process of its own, of the package that test/build.ts has compiled. */
function startWorker() {
  const env = { ...process.env, SELM_HOME: home, TEMPORAL_ADDRESS: address };
  worker = spawn(process.execPath, [join(process.env['SELM_TEST_PACKAGE']!, 'workers/main.js'), 'control'], {
    env,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}

async function kill(child: ChildProcess | undefined) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

beforeAll(async () => {
  address = `127.0.0.1:${await freePort()}`;
  await startServer();
  client = await connect(address);
  startWorker();
});
afterAll(async () => {
  await kill(worker);
  await client?.connection.close();
  await kill(server);
});

const confirmed: string[] = [];

async function answer({ block, lease, question }: Claim, person: string) {
  await vote(client, block, { person, lease, choice: 'tie', seconds: 1 });
  confirmed.push(`${question} ${person}`);
}

/** Answers `count` questions. */
async function answerSome(voting: Voting, person: string, count: number) {
  for (let i = 0; i < count; i++) await answer((await claim(client, voting, person))!, person);
}

test('a killed worker and a killed server lose no confirmed vote and add none', async () => {
  const voting = await startVoting(client, 'killed', [{ list: questions(16) }, { list: questions(16, 2) }]);
  await answerSome(voting, 'ann', 3);

  // The server, while votes are on their way. What is not confirmed may be sent again.
  const claims = await Promise.all(['ann', 'bob', 'eve', 'dan'].map((person) => claim(client, voting, person)));
  const people = ['ann', 'bob', 'eve', 'dan'];
  const sent = people.map((person, i) => answer(claims[i]!, person).catch((error: unknown) => error));
  await kill(server);
  await startServer();
  const failed = (await Promise.all(sent)).map((error) => error !== undefined);
  for (const [i, person] of people.entries()) if (failed[i]) await answer(claims[i]!, person);
  await answerSome(voting, 'eve', 2);

  // The worker, between the last vote and the end of the voting.
  await kill(worker);
  await closeVoting(client, voting);
  startWorker();
  const { votes } = await storedBy(client, store, voting);
  expect(votes.map(({ question, person }) => `${question} ${person}`).sort()).toEqual(confirmed.sort());
  expect(confirmed).toHaveLength(3 + 4 + 2);
});

test('without a worker a vote fails in one sentence, and can be sent again', async () => {
  const voting = await startVoting(client, 'unanswered', [{ list: questions(1) }]);
  const { block, lease } = (await claim(client, voting, 'ann'))!;
  await kill(worker);
  const request = { person: 'ann', lease, choice: 'tie', seconds: 1 } as const;
  const unanswered = sendUpdate(client, block, voteUpdate, request, 'vote', 1);
  await expect(unanswered).rejects.toThrow(TemporalFailed);
  await expect(unanswered).rejects.toThrow('Temporal does not answer, so this is not saved: try again.');
  startWorker();
  await vote(client, block, request);
  expect((await storedBy(client, store, voting)).votes).toHaveLength(1);
});

test('while a run is stopped, its pages for votes say so within seconds, and try again', async () => {
  const invitations = new Invitations(home);
  const { token } = await invitations.invite('ann', 1, false);
  const access = byInvitation(invitations, { others: EVERYBODY, secure: false, home: () => '/label' });
  const { origin, close } = await servePages(webApp(client, store, { access, label: temporalDesk(client) }));
  const headers = { cookie: await signIn(origin, token) };
  const get = (path: string) => visit(origin + path, { headers });
  await startRun(client, testConfig({ name: 'stopped' }));
  const voting = await startVoting(client, 'silent', [{ list: questions(1) }]);
  await expect.poll(() => votingOf(client, 'stopped').then(() => 'answered', String)).toBe('answered');
  await progressOf(client, voting);

  await kill(worker);
  const unanswered = expect(progressOf(client, voting)).rejects.toThrow(RunUnanswered);
  const told = async (path: string) => {
    const { status, headers: given, text } = await get(path);
    expect([path, status, given.get('retry-after')]).toEqual([path, 503, '10']);
    expect(text.replace(/\s+/g, ' ')).toContain(
      'No worker of this run answers at the moment: the run is stopped or restarting. ' +
        'Votes that were recorded are safe; this page tries again.',
    );
    expect(text).toContain('<noscript><meta http-equiv="refresh" content="10" /></noscript>');
  };
  await Promise.all([unanswered, told('/label/stopped'), told('/label')]);

  startWorker();
  await expect.poll(async () => (await get('/label/stopped')).status).toBe(200);
  await closeVoting(client, voting);
  close();
});
