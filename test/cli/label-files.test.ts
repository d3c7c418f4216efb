/** Votes of files: imports of exports that Argilla's and Label Studio's packages made, and people who vote without a run. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, it } from 'vitest';
import type { VoteRow } from '../../labelers/people/vote-row.ts';
import { lastVoting } from '../../workers/voting/last-voting.ts';
import type { VotingProgress } from '../../workers/voting/voting-progress.ts';
import { vote, claim, type Voting } from '../../workers/voting/voting.ts';
import { selm, startSelm, type Running } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { until } from '../until.ts';
import { answer } from '../voters.ts';

const goldRow = (i: number) => ({ prompt: `Gold ${i}?`, chosen: `right ${i}`, rejected: `wrong ${i}` });

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const fixture = (name: string) => join('test/fixtures/imports', name);
const linesOf = <T>(path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

interface Preference {
  chosen: string;
  rejected: string;
  confidence: number;
}

it.each([
  ['argilla', 'argilla-labels.json', 9, { ties: 1, bothBad: 1 }],
  ['argilla', 'argilla-rankings.json', 9, { ties: 2, bothBad: 0 }],
  ['argilla', 'argilla-ratings.json', 9, { ties: 2, bothBad: 0 }],
  ['argilla', 'argilla-flat.jsonl', 9, { ties: 1, bothBad: 1 }],
  ['argilla', 'argilla-1-labels.jsonl', 9, { ties: 1, bothBad: 1 }],
  ['argilla', 'argilla-1-rankings.jsonl', 9, { ties: 2, bothBad: 0 }],
  ['argilla', 'argilla-1-records.json', 9, { ties: 2, bothBad: 0 }],
  ['label-studio', 'label-studio-choices.json', 9, { ties: 1, bothBad: 1 }],
  ['label-studio', 'label-studio-pairwise.json', 6, { ties: 0, bothBad: 0 }],
])('imports %s: %s', async (format, file, votes, counts) => {
  const [out, all] = ['out', 'votes'].map((name) => join(folder, `${file}-${name}.jsonl`));
  const args = ['label', 'import', fixture(file), '--format', format, '--out', out, '--votes', all, '--json'];
  const { code, stdout, stderr } = await selm(args, env);
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout) as { counts: object; unread: { where: string; reason: string }[] };
  expect(summary).toMatchObject({ votes, counts: { preferred: 2, disagreed: 1, ...counts } });
  expect(linesOf<Preference>(out)).toMatchObject([
    { chosen: 'First answer 0', rejected: 'Second answer 0', confidence: 2 / 3 },
    { chosen: 'Second answer 1', rejected: 'First answer 1', confidence: 1 },
  ]);
  expect(linesOf<VoteRow>(all).filter((row) => 'choice' in row)).toHaveLength(votes);
  const draft = {
    where: expect.stringMatching(/line 2, .+2$/) as string,
    reason: 'has an answer with the status draft',
  };
  if (['argilla-flat.jsonl', 'argilla-1-labels.jsonl'].includes(file)) expect(summary.unread).toContainEqual(draft);
  else expect(summary.unread).toEqual([]);
});

/** Records in Argilla's format: a prompt, two responses by the names of their fields, and a vote. */
const argillaFile = (
  name: string,
  records: [id: string, prompt: string, responses: Record<string, string>, vote: string][],
) => {
  const path = join(folder, name);
  const exported = records.map(([id, prompt, responses, value]) => ({
    id,
    fields: { prompt, ...responses },
    responses: { better: [{ value, user_id: 'u' }] },
  }));
  writeFileSync(path, JSON.stringify(exported));
  return path;
};

it.each([
  [['response_0', 'response_1'], ['1', 'Response 1', 'response-1'], 'right'],
  [['response_0', 'response_1'], ['0'], 'wrong'],
  [['response_1', 'response_2'], ['2', 'Response 2', 'second'], 'right'],
  [['answer_a', 'answer_b'], ['B', 'Answer B', '2'], 'right'],
])('imports answers by the names of the fields %j: %j are the %s response', async ([first, second], votes, chosen) => {
  const file = argillaFile(
    'named.json',
    votes.map((vote, i) => [`p${i}`, `Question ${i}?`, { [first]: 'wrong', [second]: 'right' }, vote]),
  );
  const out = join(folder, 'named.jsonl');
  await done('label', 'import', file, '--format', 'argilla', '--out', out);
  expect(linesOf<Preference>(out).map((row) => row.chosen)).toEqual(votes.map(() => chosen));
});

it('does not guess a number beside response_0 and response_1, nor whose votes those of a repeated id are', async () => {
  const fields = { response_0: 'a', response_1: 'b' };
  const out = join(folder, 'none.jsonl');
  const unknown = argillaFile('unknown.json', [['1', 'One?', fields, '2']]);
  const twice = argillaFile('twice.json', [
    ['1', 'One?', fields, '0'],
    ['1', 'Two?', fields, '1'],
  ]);
  for (const [file, sentence] of [
    [unknown, 'has the answer "2", which is unknown; give --values'],
    [twice, `${twice} record 2 has the same id ("1") as ${twice} record 1: give each record an id of its own.`],
  ]) {
    const { code, stderr } = await selm(['label', 'import', file, '--format', 'argilla', '--out', out], env);
    expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)]);
  }
});

it('says whom of --leave-out no vote is by', async () => {
  const file = fixture('label-studio-pairwise.json');
  const out = join(folder, 'left-out.jsonl');
  const { code, stderr } = await selm(
    ['label', 'import', file, '--format', 'label-studio', '--out', out, '--leave-out', 'zoe'],
    env,
  );
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(
    /^--leave-out names zoe, but there is no vote by that person; the people who have voted are \S+.*\.$/m,
  );
});

const alpacaRecord = (id: string, input: string | null) => ({
  id,
  fields: { instruction: 'Add these.', input, response_1: '5', response_2: '6' },
  responses: { better: [{ value: '1', user_id: 'u' }] },
});

it("joins Alpaca's fields instruction and input", async () => {
  const file = join(folder, 'alpaca.json');
  writeFileSync(file, JSON.stringify([alpacaRecord('a', '2 and 3'), alpacaRecord('b', ''), alpacaRecord('c', null)]));
  const out = join(folder, 'alpaca.jsonl');
  await done('label', 'import', file, '--format', 'argilla', '--out', out);
  expect(linesOf<Preference & { prompt: string }>(out).map(({ prompt }) => prompt)).toEqual([
    'Add these.\n\n2 and 3',
    'Add these.',
    'Add these.',
  ]);
});

/** A voting that a command serves, and a client of its server. */
interface Serving {
  running: Running;
  client: Client;
  voting: Voting;
}

const filesOf = (name: string) => {
  const [source, out, votes] = [name, `${name}-preferences`, `${name}-votes`].map((one) =>
    join(folder, `${one}.jsonl`),
  );
  return { source, out, votes };
};
const argsOf = (name: string, ...flags: string[]) => {
  const { source, out, votes } = filesOf(name);
  return ['label', '--in', source, '--out', out, '--votes', votes, '--port', '0', ...flags];
};

/** Starts the command. @returns once people can vote */
async function serve(name: string, ...flags: string[]): Promise<Serving> {
  const running = startSelm(argsOf(name, ...flags), env);
  await new Promise<void>((found, failed) => {
    running.process.stderr!.on('data', (data) => String(data).includes('selm label invite') && found());
    void running.ended.then(({ stderr }) => failed(new Error(stderr)));
  });
  const { address } = JSON.parse(readFileSync(join(env.SELM_HOME, 'server.json'), 'utf8')) as { address: string };
  const client = new Client({ connection: await Connection.connect({ address }) });
  const { blocks } = await until('the blocks run', () => lastVoting(client, `file-${name}`));
  return { running, client, voting: { run: `file-${name}`, round: 1, questions: blocks[0], blocks } };
}

async function end({ running, client }: Serving, signal: 'SIGINT' | 'SIGKILL'): Promise<number | null> {
  await client.connection.close();
  running.process.kill(signal);
  const { code, stderr } = await running.ended;
  if (code === 1) throw new Error(stderr);
  return code;
}

const responses = [{ text: 'one' }, { text: 'two' }];
const rows = (count: number) =>
  jsonl(Array.from({ length: count }, (_, i) => ({ id: `p${i + 1}`, prompt: `Question ${i + 1}?`, responses })));

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await selm(args, env);
  expect(code, stderr).toBe(0);
  return stdout;
}

it('people vote about a file; Ctrl-C and SIGKILL in the middle lose no vote, and nobody is asked again', async () => {
  const { source, out, votes } = filesOf('R');
  writeFileSync(source, rows(6));
  writeFileSync(join(folder, 'gold.jsonl'), jsonl([1, 2, 3].map(goldRow)));
  const label = { by: 'people', votes: 6, overlap: 0, repeatShare: 0, gold: './gold.jsonl', goldShare: 0.5 };
  const config = join(folder, 'people.json');
  writeFileSync(config, JSON.stringify(label));

  const first = await serve('R', '--label-config', config);
  const confirmed = await answer(first.client, first.voting, 'ann', 2);
  expect(await end(first, 'SIGINT')).toBe(130);
  const second = await serve('R', '--label-config', config);
  expect(second.voting).toEqual(first.voting);
  confirmed.push(...(await answer(second.client, second.voting, 'ann', 2)));
  // The command is killed while this vote is on its way: nobody learns whether it arrives.
  const unknown = (await claim(second.client, second.voting, 'ann'))!;
  const request = { person: 'ann', lease: unknown.lease, choice: 'left', seconds: 2 } as const;
  const sent = vote(second.client, unknown.block, request).catch(() => {});
  second.running.process.kill('SIGKILL');
  await sent;
  expect(await end(second, 'SIGKILL')).toBe(null);

  const third = await serve('R', '--label-config', config);
  const status = JSON.parse(await done('label', 'people', 'file-R', '--json')) as VotingProgress;
  const votesIn = status.byPerson['ann'].votes + status.byPerson['ann'].further;
  expect([confirmed.length, confirmed.length + 1]).toContain(votesIn);
  await answer(third.client, third.voting, 'ann');
  await third.client.connection.close();
  expect((await third.running.ended).code).toBe(0);
  const written = linesOf<VoteRow>(votes);
  const asked = written.filter(({ gold }) => gold === undefined);
  expect(asked.map(({ prompt_id: id }) => id).sort()).toEqual(['p1', 'p2', 'p3', 'p4', 'p5', 'p6']);
  const ids = written.map(({ question }) => question);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(confirmed.map(({ question }) => question)));
  for (const row of written) expect('choice' in row && row.choice === row.left).toBe(true);
  // Gold questions are asked, and are no preferences.
  expect(written.length).toBeGreaterThan(6);
  expect(linesOf<Preference>(out).map(({ chosen }) => chosen)).toHaveLength(6);
  expect(readFileSync(out, 'utf8')).not.toMatch(/right|wrong/);
  expect(await done('label', 'people', 'file-R')).toMatch(/ann .* of [123] /);
});

it('a voting about a file ends at its deadline, by --close and by selm label close, with the votes that are in', async () => {
  const config = join(folder, 'deadline.json');
  const deadline = (hours: number) =>
    writeFileSync(config, JSON.stringify({ by: 'people', votes: 4, overlap: 0, repeatShare: 0, deadline: hours }));
  writeFileSync(filesOf('S').source, rows(4));
  // Longer than a timer of Node.js takes.
  deadline(1000);
  const first = await serve('S', '--label-config', config);
  await answer(first.client, first.voting, 'ann', 3);
  await end(first, 'SIGKILL');
  deadline(0.0001);
  await done(...argsOf('S', '--label-config', config));
  expect(linesOf<Preference>(filesOf('S').out)).toHaveLength(3);
  const closed = await selm(['label', 'close', 'file-S'], env);
  expect([closed.code, closed.stderr]).toEqual([2, 'selm: The voting "file-S" has closed already.\n']);

  writeFileSync(filesOf('T').source, rows(3));
  const served = await serve('T', '--by', 'people');
  await answer(served.client, served.voting, 'ben', 2);
  await end(served, 'SIGINT');
  await done(...argsOf('T', '--by', 'people', '--close'));
  expect(linesOf<Preference>(filesOf('T').out)).toHaveLength(2);

  writeFileSync(filesOf('U').source, rows(2));
  const other = await serve('U', '--by', 'people');
  await answer(other.client, other.voting, 'ben', 1);
  expect(await done('label', 'close', 'file-U')).toContain('"file-U" goes on with the votes that are in');
  await other.client.connection.close();
  expect((await other.running.ended).code).toBe(0);
  expect(linesOf<Preference>(filesOf('U').out)).toHaveLength(1);
  const unknown = await selm(['label', 'close', 'file-V'], env);
  expect([unknown.code, unknown.stderr]).toEqual([2, 'selm: There is no run named "file-V".\n']);
});
