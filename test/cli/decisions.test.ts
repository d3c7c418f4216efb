/** A run that fails, is decided about by the commands, paused and damaged: with a real server, workers and engine. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunProgress } from '../../workers/runs/progress.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, summaryOf } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { startOwnWorker, type OwnWorker } from '../own-worker.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

/** One answer a prompt: no preference can come of it. */
const config = {
  name: 'tiny',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
  rounds: 2,
  sample: { maxNewTokens: 12 },
  // Long enough for a pause to come in the middle of it.
  optimize: { learningRate: 1e-3, batchSize: 8, epochs: 100 },
  evaluate: { maxNewTokens: 12 },
  output: './policy',
};

/** Works on this folder's own server, which it starts; runs that wait for a decision do not end it. */
let worker: OwnWorker;
beforeAll(async () => {
  tinyModel(join(folder, 'model'));
  write('train.jsonl', jsonl(tinyPrompts(40)));
  write('held-out.jsonl', jsonl(tinyPrompts(8, 1000)));
  write('tiny.yaml', stringify(config));
  worker = await startOwnWorker(env);
  expect(await done('start', join(folder, 'tiny.yaml'))).toBe('Run "tiny" is started: selm watch tiny');
});
afterAll(async () => {
  await worker.stop();
});

const status = async (name = 'tiny') => summaryOf<RunProgress>(await selm(['status', name, '--json'], env)).status;

/** What a command that is refused says. */
async function refusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await selm(args, env);
  expect([code, stdout], stderr).toEqual([2, '']);
  return stderr.trim();
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await selm(args, env);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

it('a failed round parks the run, which says what failed and how to decide', async () => {
  const watched = await selm(['watch', 'tiny', '--json'], env);
  expect(watched.code, watched.stderr).toBe(3);
  expect(watched.stderr.match(/Failed in round 1/g)).toHaveLength(1);
  expect(summaryOf<RunStatus>(watched)).toMatchObject({ state: 'parked', failure: { round: 1, step: 'label' } });
  const text = await done('status', 'tiny');
  expect(text).toContain('tiny: parked, round 1 of 2\n');
  expect(text).toMatch(
    /Failed in round 1, step label \(activity prefer\), since \d{4}-.+Z: None of 20 prompts got a preference/,
  );
  expect(text).toContain('The run waits for a decision: selm retry tiny | selm skip tiny | selm stop tiny');
});

it('settings that cannot be are refused in one sentence, and decisions that there are none to make', async () => {
  expect(await refusal('retry', 'tiny', '--set', 'sample.temprature=1')).toBe(
    'selm: --set: there is no key "sample.temprature"; did you mean "sample.temperature"?',
  );
  expect(await refusal('retry', 'tiny', '--set', 'temperature')).toMatch(/^selm: --set temperature is not a setting/);
  expect(await refusal('retry', 'tiny', '--round', '0')).toMatch(/^selm: --round 0 is not a round/);
  expect(await refusal('resume', 'tiny')).toBe('selm: Run "tiny" is not paused.');
  expect(await refusal('stop', 'nobody')).toBe('selm: There is no run named "nobody".');
});

it('a round is skipped, and redone after all with other settings; of two operators at once, one decides', async () => {
  await done('skip', 'tiny');
  await worker.until('the second round has failed', async () => (await status()).failure?.round === 2);
  expect(await status()).toMatchObject({ skipped: [1], results: [] });
  const sampling = ['--set', 'sample.samplesPerPrompt=4', '--set', 'sample.temperature=1'];
  const retry = ['retry', 'tiny', '--round', '1', ...sampling];
  const both = await Promise.all([selm(retry, env), selm(retry, env)]);
  expect(both.map(({ code }) => code).sort()).toEqual([0, 2]);
});

/** Changes a byte of the held-out prompts in the store. */
function damageHeldOut(): void {
  const objects = join(env.SELM_HOME, 'artifacts', 'objects');
  const files = (readdirSync(objects, { recursive: true }) as string[]).filter((file) =>
    file.endsWith('prompts.jsonl'),
  );
  const heldOut = files
    .map((file) => join(objects, file))
    .find((file) => readFileSync(file, 'utf8').includes('p1000'))!;
  writeFileSync(heldOut, readFileSync(heldOut, 'utf8').replace('p1000', 'p9999'));
}

it('a paused run goes on, and makes again what was damaged in the meantime', async () => {
  expect(await done('pause', 'tiny')).toBe('Run "tiny" pauses after the step in progress: selm resume tiny');
  await worker.until('the run is paused', async () => (await status()).state === 'paused');
  expect(summaryOf<RunProgress>(await selm(['status', 'tiny', '--json'], env)).pending).toEqual([]);
  damageHeldOut();
  await done('resume', 'tiny');
  const ended = await selm(['watch', 'tiny', '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const { state, results, skipped, repairs } = summaryOf<RunStatus>(ended);
  expect([state, results.length, skipped]).toEqual(['done', 2, []]);
  expect(repairs).toEqual([expect.stringMatching(/^Artifact [0-9a-f]{12} is damaged: prompts\.jsonl/)]);
  expect(ended.stderr).toContain(repairs[0]);
  expect(results.every(({ evaluation }) => evaluation.prompts === 8)).toBe(true);
});

it('a run that is stopped ends well; what it leaves in histories is small and has no text of a prompt', async () => {
  write('tiny.yaml', stringify({ ...config, name: 'stopped' }));
  await done('start', join(folder, 'tiny.yaml'));
  await worker.until(
    'the run is parked',
    async () => (await status('stopped').catch(() => undefined))?.state === 'parked',
  );

  const client = await worker.connect();
  for (const id of ['selm-tiny', 'selm-tiny/round-1', 'selm-tiny/round-2']) {
    const text = historyToJSON(await client.workflow.getHandle(id).fetchHistory());
    const payloads = [...text.matchAll(/"data":\s*"([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data, 'base64').toString(),
    );
    expect(payloads.join('')).toContain('sample');
    expect(payloads.join('')).not.toContain('Write');
    expect(text.length, id).toBeLessThan(150_000);
  }
  await client.connection.close();

  await done('stop', 'stopped');
  const ended = await selm(['watch', 'stopped', '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<RunStatus>(ended)).toMatchObject({ state: 'stopped', results: [] });
  const { policy } = JSON.parse(readFileSync(join(folder, 'policy', 'selm.json'), 'utf8')) as { policy: string };
  expect(policy).toBe(summaryOf<RunStatus>(ended).policy);
});
