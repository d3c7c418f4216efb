/** What the step benchmark-lm-eval does where the harness fails, is missing, or has to end. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { benchmark } from '../../../activities/benchmarks/index.ts';
import { runProgram } from '../../../activities/benchmarks/python-program.ts';
import { importPolicy } from '../../../activities/policy.ts';
import { LocalStore } from '../../../artifacts/local-store.ts';
import { startEngine } from '../../../engine/backends.ts';
import { benchmarkOf } from '../../../config/benchmarks.ts';
import { harnessPython } from '../../openai/server/harness.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';

const folder = temporaryFolder();
const engine = startEngine();
const context = { store: new LocalStore(join(folder, 'store')), engine, cacheFolder: join(folder, 'cache') };
let policy: string;

beforeAll(async () => {
  policy = (await importPolicy(context, tinyModel(join(folder, 'model')), undefined)).address;
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => engine.close());

const measure = (settings: object) => {
  const asked = benchmarkOf({ 'lm-eval': { tasks: ['no_such_task'], ...settings } });
  return benchmark(context, { benchmark: asked, policy, responses: [], seed: 0, threads: 1 }, {});
};

test('a worker without the harness fails with one sentence', async () => {
  vi.stubEnv('SELM_LM_EVAL_PYTHON', undefined);
  vi.stubEnv('SELM_CACHE', join(folder, 'empty'));
  await expect(measure({})).rejects.toThrow(
    /^lm-evaluation-harness is not installed for selm: run selm benchmarks install on this worker, or set SELM_LM_EVAL_PYTHON/,
  );
});

test('an error of the harness is one sentence, and what no retry mends is not retried', async () => {
  vi.stubEnv('SELM_LM_EVAL_PYTHON', await harnessPython());
  await expect(measure({})).rejects.toMatchObject({
    name: 'InputError',
    message:
      'lm-evaluation-harness failed on no_such_task (ValueError: Tasks not found: no_such_task): ' +
      'change evaluate.benchmarks, or skip it with selm skip.',
  });
  await expect(measure({ includePath: join(folder, 'nowhere') })).rejects.toThrow(
    `The folder ${join(folder, 'nowhere')} cannot be read (ENOENT): change includePath in evaluate.benchmarks.`,
  );
});

test('a program that is cancelled ends with all that it has started', async () => {
  const cancel = new AbortController();
  const script =
    'import subprocess, sys, time\n' +
    'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])\n' +
    'print("started", child.pid, flush=True)\n' +
    'time.sleep(600)\n';
  let [said, below] = ['', 0];
  const running = runProgram(['python3', '-c', script], {
    env: process.env,
    signal: cancel.signal,
    onOutput: (text) => {
      said += text;
      const [, child] = /started (\d+)\n/.exec(said) ?? [];
      if (child === undefined) return;
      below = Number(child);
      cancel.abort(new Error('cancelled'));
    },
    explain: (reason) => new Error(reason),
  });
  await expect(running).rejects.toThrow('cancelled');
  // It is gone, or a zombie that its new parent has not read yet.
  const state = () => {
    try {
      return execFileSync('ps', ['-o', 'stat=', '-p', String(below)], { encoding: 'utf8' }).trim();
    } catch {
      return '';
    }
  };
  await expect.poll(state).toMatch(/^(Z.*)?$/);
});
