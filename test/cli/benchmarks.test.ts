/** A whole run with benchmarks, on a real Temporal server, with the real lm-evaluation-harness, whose worker is killed in the middle. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { LocalStore } from '../../artifacts/local-store.ts';
import { readSampled } from '../../data/readers.ts';
import { readPrompts } from '../../data/prompts.ts';
import { IFEVAL_PROMPTS } from '../../evaluation/benchmarks/ifeval.ts';
import { ifevalAccuracies } from '../../labelers/verifier/accuracy.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { harnessPython, runHarness } from '../openai/server/harness.ts';
import { startServe } from '../openai/server/serve.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { until } from '../until.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const fixtures = new URL('../fixtures/harness/', import.meta.url).pathname;
const LIMIT = 3;

const processesOf = (pattern: string): number[] => {
  try {
    return execFileSync('pgrep', ['-f', pattern], { encoding: 'utf8' }).trim().split('\n').map(Number);
  } catch {
    return [];
  }
};
/** Processes of the harness in this test's run: their tokenizer is in its folder. */
const harnesses = () => processesOf(`^\\S*python -m lm_eval .*tokenizer=${model}`);

const parentOf = (pid: number) => Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }));

const home = { SELM_HOME: join(folder, 'home'), SELM_LM_EVAL_PYTHON: '', OPENAI_API_KEY: 'sk-of-somebody-else' };
let status: RunStatus;
let log = '';
let python: string;

beforeAll(async () => {
  python = await harnessPython();
  home.SELM_LM_EVAL_PYTHON = python;
  // The weights do not depend on the number of positions. Prompts of IFEval are longer than 256 characters.
  const file = join(model, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, max_position_embeddings: 2048 }));
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(40)));
  mkdirSync(join(folder, 'tasks'));
  const task = readFileSync(`${fixtures}task.yaml`, 'utf8').replace(
    'test: QUESTIONS',
    `test: ${fixtures}questions.jsonl`,
  );
  writeFileSync(join(folder, 'tasks', 'selm_choice.yaml'), task);
  const run = {
    name: 'benchmarked',
    model: './model',
    prompts: { train: './train.jsonl', heldOut: 8 },
    rounds: 1,
    sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 8 },
    optimize: { learningRate: 1e-2, batchSize: 8, objective: { beta: 0.1 } },
    evaluate: {
      maxNewTokens: 8,
      shardSize: 2,
      benchmarks: [
        { ifeval: { limit: LIMIT, maxNewTokens: 8 } },
        { 'lm-eval': { tasks: ['selm_choice'], includePath: './tasks', maxLength: 256 } },
      ],
    },
  };
  writeFileSync(join(folder, 'run.yaml'), stringify(run));
  const running = startSelm(['run', join(folder, 'run.yaml'), '--json'], home);
  running.process.stderr!.on('data', (data) => (log += data));
  const [harness] = await until(
    'the harness runs',
    () => (harnesses().length > 0 ? harnesses() : undefined),
    () => log,
  );
  // The harness's watcher, and its worker.
  process.kill(parentOf(parentOf(harness)), 'SIGKILL');
  await until('the harness has ended with its worker', () => !processesOf(`^\\S*python -m lm_eval`).includes(harness));
  const ended = await running.ended;
  expect(ended.code, ended.stderr).toBe(0);
  status = summaryOf(ended);
}, 240_000);
afterAll(() => expect(harnesses()).toEqual([]));

test('goes on after its worker was killed during a benchmark, with the start policy and the last accepted one measured', () => {
  expect(log).toContain('The gpu worker ended (SIGKILL); starting another.');
  expect(status.benchmarks!.map(({ round, benchmark }) => [round, benchmark])).toEqual([
    [0, 'ifeval'],
    [0, 'lm-eval'],
    [1, 'ifeval'],
    [1, 'lm-eval'],
  ]);
  expect(status.benchmarks!.map(({ policy }) => policy).at(-1)).toBe(status.policy);
});

test('has the figures of the harness run by hand', async () => {
  const serving = await startServe(model);
  try {
    const { figures } = await runHarness(python, serving.url.replace(/\/v1$/, ''), model, folder);
    const { rows } = status.benchmarks![1];
    expect(rows.map(({ task, metric }) => [task, metric])).toEqual([
      ['selm_choice', 'acc'],
      ['selm_choice', 'acc_norm'],
    ]);
    for (const { metric, value, error, count } of rows) {
      expect(value).toBe(figures[`${metric},none`]);
      expect(error).toBe(figures[`${metric}_stderr,none`]);
      expect(count).toBe(readFileSync(`${fixtures}questions.jsonl`, 'utf8').trim().split('\n').length);
    }
  } finally {
    await serving.stop();
  }
});

test("has IFEval's accuracies of the sampled responses, in the order of its prompts", async () => {
  const store = new LocalStore(join(home.SELM_HOME, 'artifacts'));
  const { address, rows } = status.benchmarks![2];
  const { recipe } = await store.manifest(address!);
  const shards = recipe.inputs['responses'] as string[];
  expect(shards).toHaveLength(2);
  const sampled = await Promise.all(
    shards.map(async (shard) => readSampled(join(await store.open(shard), 'responses.jsonl'))),
  );
  const texts = sampled.flat().map(({ responses: [{ text }] }) => text);
  const prompts = (await readPrompts(IFEVAL_PROMPTS)).slice(0, LIMIT);
  const { strict, loose } = ifevalAccuracies(prompts, texts);
  expect(rows.map(({ value }) => value)).toEqual([
    strict.promptLevel,
    strict.instructionLevel,
    loose.promptLevel,
    loose.instructionLevel,
  ]);
});

test("keeps the harness's own files, without a key", async () => {
  const store = new LocalStore(join(home.SELM_HOME, 'artifacts'));
  const artifact = await store.open(status.benchmarks![1].address!);
  const results = readFileSync(join(artifact, 'results-1.json'), 'utf8');
  expect(results).toContain('http://127.0.0.1:');
  expect(results + log).not.toMatch(/sk-of-somebody-else|Bearer/);
  expect(readFileSync(join(artifact, 'samples-selm_choice.jsonl'), 'utf8').trim().split('\n').length).toBeGreaterThan(
    1,
  );
});

test('is verified: IFEval is computed again, and lm-eval is skipped', async () => {
  const verified = await selm(['verify', 'benchmarked', '--step', 'benchmark-ifeval'], home);
  expect(verified.stdout).toBe('2 of 2 steps have the same bytes.\n');
});

test('shows the results in status, metrics and TensorBoard', async () => {
  const shown = await selm(['status', 'benchmarked'], home);
  expect(shown.stdout).toMatch(
    /^Round 1, lm-eval: selm_choice acc 0\.\d{3} ± 0\.\d{3} \(\d+\), selm_choice acc_norm /m,
  );
  const out = join(folder, 'report.html');
  const reported = await selm(['report', 'benchmarked', '--out', out], home);
  expect(reported.code, reported.stderr).toBe(0);
  const rows = readFileSync(join(folder, 'report.metrics.jsonl'), 'utf8');
  expect(rows).toContain('"lm-eval/selm_choice/acc":');
  expect(rows).toContain('"ifeval/ifeval/prompt_level_strict_acc":');
});
