/** Runs on a given server: started here, worked on by workers of their own, watched from outside. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunProgress } from '../../workers/runs/progress.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const config = join(folder, 'run.yaml');
const home = { SELM_HOME: join(folder, 'home') };
let server: DevServer;
let env: Record<string, string>;
const workers: Running[] = [];

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

beforeAll(async () => {
  server = await startDevServer();
  env = { ...home, TEMPORAL_ADDRESS: server.address };

  tinyModel(join(folder, 'model'));
  write('train.jsonl', jsonl(tinyPrompts(40)));
  write('held-out.jsonl', jsonl(tinyPrompts(8, 1000)));
  const sampling = { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 };
  const prompts = { train: './train.jsonl', heldOut: './held-out.jsonl' };
  const rest = {
    rounds: 1,
    sample: sampling,
    optimize: { learningRate: 1e-3, batchSize: 8 },
    evaluate: { maxNewTokens: 12 },
  };
  write('run.yaml', stringify({ name: 'served', model: './model', prompts, ...rest }));
});

afterAll(async () => {
  for (const { process, ended } of workers) {
    process.kill('SIGTERM');
    await ended;
  }
  server.stop();
});

it('a run is started once, worked on by a worker of each role, watched to its end', async () => {
  const started = await selm(['start', config, '--json'], env);
  expect(started.code, started.stderr).toBe(0);
  expect(summaryOf(started)).toEqual({ name: 'served', workflow_id: 'selm-served', attached: false });
  const again = await selm(['start', config, '--json'], env);
  expect(summaryOf(again)).toMatchObject({ attached: true });

  workers.push(startSelm(['worker', '--role', 'control'], env), startSelm(['worker', '--role', 'gpu'], env));
  const watched = await selm(['watch', 'served', '--json'], env);
  expect(watched.code, watched.stderr).toBe(0);
  expect(summaryOf<RunStatus>(watched)).toMatchObject({ state: 'done', results: [{ round: 1 }] });

  const status = await selm(['status', 'served', '--json'], env);
  expect(summaryOf<RunProgress>(status).status).toEqual(summaryOf<RunStatus>(watched));
});

it('another configuration under the name of a run in progress is refused', async () => {
  for (const worker of workers.splice(0)) {
    worker.process.kill('SIGTERM');
    expect((await worker.ended).code).toBe(0);
  }
  write('other.yaml', stringify({ name: 'taken', model: './model', prompts: { train: './train.jsonl', heldOut: 2 } }));
  expect((await selm(['start', join(folder, 'other.yaml')], env)).code).toBe(0);
  write('other.yaml', stringify({ name: 'taken', model: './model', prompts: { train: './train.jsonl', heldOut: 3 } }));
  const { code, stderr } = await selm(['start', join(folder, 'other.yaml')], env);
  expect(code).toBe(2);
  expect(stderr).toBe(
    'selm: A run named "taken" is in progress with another configuration: prompts.heldOut is 2 there and 3 here.\n',
  );
});

it('a run for which no worker answers is told', async () => {
  const { code, stdout, stderr } = await selm(['status', 'taken'], env);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toBe(
    'selm: Run "taken" does not answer: start a worker for it (selm worker --role control; on this machine, selm run FILE).\n',
  );
});

it('a run that is not there is named', async () => {
  const { code, stderr } = await selm(['status', 'nobody'], env);
  expect([code, stderr]).toEqual([2, 'selm: There is no run named "nobody".\n']);
});

it('without a server it says how to name one', async () => {
  const { code, stderr } = await selm(['status', 'served'], home);
  expect([code, stderr]).toEqual([
    2,
    'selm: There is no Temporal server: set TEMPORAL_ADDRESS, or use selm run, which starts one.\n',
  ]);
});
