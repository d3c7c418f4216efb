/** A round that people label, as `selm label people` shows it: with a real server, worker, engine and voters. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { readShards } from '../../activities/sample.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { inputOf } from '../../artifacts/manifest.ts';
import { readJsonl } from '../../data/jsonl.ts';
import type { Choice } from '../../labelers/people/protocol.ts';
import type { VoteRow } from '../../labelers/people/vote-row.ts';
import type { RoundPeople } from '../../report/people.ts';
import { claim, skip, vote, votingOf, type Voting } from '../../workers/voting/voting.ts';
import type { VotingProgress } from '../../workers/voting/voting-progress.ts';
import { findRun } from '../../workers/runs/runs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import type { RoundResult } from '../../workflows/status.ts';
import { selm, summaryOf } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { startOwnWorker, type OwnWorker } from '../own-worker.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

const label = {
  by: 'people',
  votes: 36,
  overlap: 1,
  strategy: 'random',
  repeatShare: 0,
  otherwise: { by: 'verifier' },
};
const config = {
  name: 'asked',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
  rounds: 1,
  sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
  label,
  optimize: { learningRate: 1e-3, batchSize: 4 },
  evaluate: { maxNewTokens: 12 },
};

let worker: OwnWorker;
let client: Client;
beforeAll(async () => {
  tinyModel(join(folder, 'model'));
  write('train.jsonl', jsonl(tinyPrompts(24)));
  write('held-out.jsonl', jsonl(tinyPrompts(4, 1000)));
  write('asked.yaml', stringify(config));
  worker = await startOwnWorker(env);
  await done('start', join(folder, 'asked.yaml'));
  client = await worker.connect();
});
afterAll(async () => {
  await client.connection.close();
  await worker.stop();
});

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await selm(args, env);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

const peopleJson = async <T>(...args: string[]): Promise<T> =>
  summaryOf<T>(await selm(['label', 'people', 'asked', '--json', ...args], env));

/** Answers up to `most` questions. @returns how many */
async function answer(voting: Voting, person: string, choice: Choice, most = Infinity): Promise<number> {
  for (let answered = 0; answered < most; answered++) {
    const claimed = await claim(client, voting, person);
    if (!claimed) return answered;
    await vote(client, claimed.block, { person, lease: claimed.lease, choice, seconds: 1.5 });
  }
  return most;
}

/** The result of the run's round, once it has ended. */
async function result(): Promise<RoundResult> {
  const { results } = await (await findRun(client, 'asked')).result();
  return results[0];
}

let first: RoundResult;

it('counts the votes while the round waits', async () => {
  const voting = await worker.until('the round asks', () => votingOf(client, 'asked'));
  expect(await done('label', 'people', 'asked')).toContain('asked, round 1: 0 of 36 votes are in, 0 skipped');
  await answer(voting, 'Ada', 'left', 5);
  const held = (await claim(client, voting, 'Ben'))!;
  await skip(client, held.block, { person: 'Ben', lease: held.lease, reason: 'language' });
  expect(await peopleJson<VotingProgress>()).toMatchObject({
    run: 'asked',
    round: 1,
    asked: 36,
    votes: 5,
    byPerson: { Ada: { votes: 5, skips: 0 }, Ben: { votes: 0, skips: 1 } },
  });
  expect(await done('label', 'people', 'asked', '--round', '1')).toMatch(/Ben +│ 0 +│ 0 +│ 1 +│ \d{4}-/);
  await answer(voting, 'Ada', 'left');
  await answer(voting, 'Ben', 'right');
  await answer(voting, 'Cem', 'right');
  await answer(voting, 'Dan', 'left');
});

it('shows the people and their agreement when the round has its votes', async () => {
  first = await result();
  const { people, alpha, warnings, ...rest } = await peopleJson<RoundPeople & { warnings: string[] }>();
  expect(rest).toMatchObject({ run: 'asked', round: 1, lateVotes: 0 });
  expect(people.map(({ person }) => person)).toEqual(['Ada', 'Ben', 'Cem', 'Dan']);
  expect(people.reduce((sum, { votes }) => sum + votes, 0)).toBe(36);
  expect(people[0]).toMatchObject({ votes: 12, left: { count: 12, of: 12 }, seconds: 1.5, others: { of: 24 } });
  expect(people[0].otherwise!.of).toBeGreaterThan(0);
  expect(people[1].skips).toEqual({ language: 1 });
  expect(alpha!.questions).toBe(12);
  expect(warnings).toContain('Ada takes 1.5 seconds for a vote (median): too short to read two responses.');
  const text = await done('label', 'people', 'asked');
  expect(text).toContain('asked, round 1:');
  expect(text).toContain("Krippendorff's alpha:");
  for (const warning of warnings) expect(text).toContain(`Warning: ${warning}`);
  await done('report', 'asked', '--out', join(folder, 'report.html'));
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('<table id="people-1">');
  expect(readFileSync(join(folder, 'report.metrics.jsonl'), 'utf8')).toContain(`"label/alpha":${alpha!.alpha}`);
});

it('writes all votes with their texts, and the preferences of the round', async () => {
  const [votes, preferences] = ['exported-votes.jsonl', 'exported.jsonl'].map((name) => join(folder, name));
  expect(await done('label', 'export', 'asked', '--votes', votes, '--preferences', preferences)).toBe(
    `${votes}: 36 votes, 1 skip.\n${preferences}: ${first.label.preferences} preferences.`,
  );
  const store = new LocalStore(join(env.SELM_HOME, 'artifacts'));
  const made = await store.readText(first.artifacts.preferences, 'preferences.jsonl');
  expect(readFileSync(preferences, 'utf8')).toBe(made);
  const rows = await readJsonl(votes, z.custom<VoteRow>());
  expect(new Set(rows.map(({ question }) => question)).size).toBe(12);
  expect(rows.find((row) => 'skip' in row)).toMatchObject({ person: 'Ben', skip: 'language', run: 'asked', round: 1 });
  const sampled = await readShards(store, [await responsesOf(store, first)]);
  for (const row of rows) {
    expect(row.at).toMatch(/^\d{4}-.+Z$/);
    const { prompt, responses } = sampled.find(({ id }) => id === row.prompt_id)!;
    expect(row.prompt).toEqual(prompt);
    expect(responses.map(({ text }) => text)).toEqual(expect.arrayContaining(row.responses));
    // Ada and Dan always vote for the response that is shown on the left.
    if ('choice' in row) expect(row.choice === row.left).toBe(['Ada', 'Dan'].includes(row.person));
  }
  expect(await done('label', 'export', 'asked', '--round', '1', '--votes', votes)).toBe(`${votes}: 36 votes, 1 skip.`);
  for (const [args, sentence] of [
    [[], 'There is nothing to write: give --votes, --preferences or both.'],
    [['--votes', votes, '--round', '2'], 'Round 2 of "asked" has not ended, or people did not label it.'],
  ] as [string[], string][]) {
    const { code, stderr } = await selm(['label', 'export', 'asked', ...args], env);
    expect([code, stderr.trim()]).toEqual([2, `selm: ${sentence}`]);
  }
});

async function responsesOf(store: LocalStore, { artifacts }: RoundResult): Promise<string> {
  const [labels] = [(await store.manifest(artifacts.preferences)).recipe.inputs['labels']].flat();
  return inputOf(await store.manifest(labels), 'responses');
}

it('nobody is asked again when a person is left out: the labels are others, and so is the policy', async () => {
  write('without.yaml', stringify({ ...config, label: { ...label, leaveOut: ['Ada', 'Zoe'] } }));
  await done('start', join(folder, 'without.yaml'));
  const second = await result();
  expect(second.artifacts.preferences).not.toBe(first.artifacts.preferences);
  expect(second.policy).not.toBe(first.policy);
  const { people } = await peopleJson<RoundPeople>();
  expect(people[0]).toMatchObject({ person: 'Ada', leftOut: true, votes: 12 });
  const notVoted =
    'label.leaveOut names Zoe, but there is no vote by that person; the people who have voted are Ada, Ben, Cem, Dan.';
  expect(second.warnings).toContain(notVoted);
  expect(await done('label', 'people', 'asked')).toContain(`Warning: ${notVoted}`);
});

it('shows the people of a run that has parked after the votes, to decide whom to leave out', async () => {
  const everybody = { ...label, leaveOut: ['Ada', 'Ben', 'Cem', 'Dan'], otherwise: undefined };
  const evaluate = { ...config.evaluate, labeler: { by: 'verifier' } };
  write('nobody.yaml', stringify({ ...config, label: everybody, evaluate }));
  await done('start', join(folder, 'nobody.yaml'));
  await worker.until('the run has parked', async () => {
    const { state } = await (await findRun(client, 'asked')).query(runStatusQuery);
    return state === 'parked';
  });
  const { people, alpha, ...rest } = await peopleJson<RoundPeople>();
  expect(rest).toMatchObject({ run: 'asked', round: 1 });
  expect(people.map(({ person, votes, leftOut }) => [person, votes > 0, leftOut])).toEqual(
    everybody.leaveOut.map((person) => [person, true, true]),
  );
  expect(alpha).toBeUndefined();
  await done('retry', 'asked', '--set', 'label.leaveOut=[Ada]');
  expect((await result()).label.counts).toMatchObject({ asked: 12, leftOutVotes: 12 });
});

it('refuses rounds that people have not labeled', async () => {
  const refused = await selm(['label', 'people', 'asked', '--round', '2'], env);
  expect([refused.code, refused.stderr.trim()]).toEqual([2, 'selm: Round 2 of "asked" has no votes yet.']);
});
