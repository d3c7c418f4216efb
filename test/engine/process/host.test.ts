/** An engine in a child process: its jobs, its end, and what its parent reports. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { EngineDied, JobAborted, TrainingDiverged } from '../../../engine/protocol/errors.ts';
import { forkModule } from '../../../engine/process/fork.ts';
import type { Engine, OptimizeJob, Progress, ScoreJob } from '../../../engine/protocol/jobs.ts';
import { referenceCase } from '../reference-case.ts';
import { temporaryFolder } from '../../temporary.ts';
import { startEngine } from '../../../engine/backends.ts';

const scratch = temporaryFolder();
const { pairs, expected, optimizeJob } = referenceCase('llama');

const engine = startEngine();
afterAll(() => engine.close());

let outputs = 0;
const newFolder = () => join(scratch, String(outputs++));
/** A training that no test waits for. */
const endlessJob = (): OptimizeJob => optimizeJob(newFolder(), { epochs: 1_000_000 });
const scoreJob: ScoreJob = {
  policy: referenceCase('llama').reference,
  rows: pairs.map(({ prompt, chosen }) => ({ prompt_input_ids: prompt, response_input_ids: chosen })),
};
const expectScores = async (result: ReturnType<Engine['run']>) => {
  for (const [i, { logp }] of (await (result as Promise<{ logp: number }[]>)).entries()) {
    expect(logp).toBeCloseTo(expected.reference_logps[i].chosen, 3);
  }
};

/** Ids of the engine processes that are children of `parent`. */
function enginesOf(parent: number): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid, ...args]) => Number(ppid) === parent && args.join(' ').includes('engine/onnx/main.'))
    .map(([pid]) => Number(pid));
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const isStopped = (pid: number) =>
  execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T');

const hasEnded = (pid: number) => expect.poll(() => isAlive(pid)).toBe(false);

/** Runs an endless training, and calls `then` after its first step. */
function trainUntil(host: Engine, then: (pid: number) => void, job = endlessJob(), signal?: AbortSignal) {
  let begun = false;
  const onProgress = ({ metrics }: Progress) => {
    if (!metrics || begun) return;
    begun = true;
    then(enginesOf(process.pid)[0]);
  };
  return host.run('optimize', job, { onProgress, signal });
}

test('the process starts with the first job, and runs all later jobs', async () => {
  expect(enginesOf(process.pid)).toEqual([]);
  await expectScores(engine.run('score', scoreJob));
  const first = enginesOf(process.pid);
  expect(first).toHaveLength(1);
  await expectScores(engine.run('score', scoreJob));
  expect(enginesOf(process.pid)).toEqual(first);
});

test('progress arrives while a job runs, and the parent continues with its own work', async () => {
  const reports: Progress[] = [];
  let turns = 0;
  const timer = setInterval(() => void (reports.length > 0 && turns++), 1);
  const { metrics } = await engine.run('optimize', optimizeJob(newFolder(), { epochs: 100 }), {
    onProgress: (progress) => reports.push(progress),
  });
  clearInterval(timer);
  // A job on this thread would block it between its first report and its end.
  expect(turns).toBeGreaterThan(0);
  const steps = reports.filter((report) => report.unit === 'steps');
  expect(steps.map(({ done, total }) => [done, total])).toEqual(metrics.map(({ step }) => [step, 100]));
  expect(steps.map((report) => report.metrics)).toEqual(metrics);
});

test('jobs that are started at the same time run one after the other', async () => {
  const order: string[] = [];
  const train = engine.run('optimize', optimizeJob(newFolder(), { epochs: 5 })).then(() => order.push('train'));
  const score = engine.run('score', scoreJob, { onProgress: () => order.push('score reports') });
  await Promise.all([train, score.then(() => order.push('score'))]);
  expect(order).toEqual(['train', 'score reports', 'score']);
});

describe('bad input', () => {
  test("is an InputError in the parent too, with the child's message, and the process continues", async () => {
    const [pid] = enginesOf(process.pid);
    const refused = engine.run('score', { ...scoreJob, policy: { model: '/nowhere' } });
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(/\/nowhere/);
    await expectScores(engine.run('score', scoreJob));
    expect(enginesOf(process.pid)).toEqual([pid]);
  });

  test('in one job does not affect the next one in the queue', async () => {
    const refused = engine.run('optimize', { ...endlessJob(), rows: [] });
    const scored = engine.run('score', scoreJob);
    await expect(refused).rejects.toThrow(/^There is nothing to train on/);
    await expectScores(scored);
  });
});

test('a training that diverges fails with TrainingDiverged in the parent too, and the process continues', async () => {
  const job = optimizeJob(newFolder(), { learningRate: 1e30, schedule: 'constant', epochs: 50 });
  const failed = engine.run('optimize', job);
  await expect(failed).rejects.toThrow(TrainingDiverged);
  await expect(failed).rejects.toThrow(/^Training diverged at step \d+: .*; lower the learning rate\.$/);
  await expectScores(engine.run('score', scoreJob));
});

describe('abort', () => {
  test('before a job begins prevents it', async () => {
    const refused = engine.run('score', scoreJob, { signal: AbortSignal.abort() });
    await expect(refused).rejects.toThrow(JobAborted);
  });

  test('stops a training, which resumes from its checkpoint in the same process', async () => {
    const job = { ...optimizeJob(newFolder(), { epochs: 300 }), checkpoint: { dir: newFolder(), everySeconds: 3600 } };
    const stop = new AbortController();
    let pid = 0;
    const stopped = trainUntil(engine, (id) => ((pid = id), stop.abort()), job, stop.signal);
    await expect(stopped).rejects.toThrow(JobAborted);
    const { resumedFromStep } = await engine.run('optimize', job);
    expect(resumedFromStep).toBeGreaterThan(0);
    expect(resumedFromStep).toBeLessThan(300);
    expect(enginesOf(process.pid)).toEqual([pid]);
  });
});

/** The files that a training wrote. */
const outputsOf = ({ outDir }: OptimizeJob) =>
  readdirSync(outDir).map((name) => [name, readFileSync(join(outDir, name)).toString('base64')]);

describe('a process that dies', () => {
  test.each([
    ['SIGKILL', /was killed \(SIGKILL\), most often because the machine ran out of memory during optimize/],
    ['SIGSEGV', /ended with SIGSEGV during optimize/],
  ] as const)('of %s ends its job at once, and the next job has a new one', async (signal, message) => {
    let pid = 0;
    const lost = trainUntil(engine, (id) => {
      pid = id;
      process.kill(id, signal);
    });
    await expect(lost).rejects.toThrow(EngineDied);
    await expect(lost).rejects.toThrow(message);
    await expectScores(engine.run('score', scoreJob));
    const [next] = enginesOf(process.pid);
    expect(next).not.toBe(pid);
  });

  test('in a training loses only what is after its last checkpoint: the adapter is the same', async () => {
    const training = { epochs: 60, schedule: 'cosine', batchSize: 2 } as const;
    const job = { ...optimizeJob(newFolder(), training), checkpoint: { dir: newFolder(), everySeconds: 0 } };
    const lost = engine.run('optimize', job, {
      onProgress: ({ metrics }) => metrics?.step === 40 && process.kill(enginesOf(process.pid)[0], 'SIGKILL'),
    });
    await expect(lost).rejects.toThrow(EngineDied);
    const { resumedFromStep } = await engine.run('optimize', job);
    expect(resumedFromStep).toBeGreaterThanOrEqual(39);
    const undisturbed = optimizeJob(newFolder(), training);
    await engine.run('optimize', undisturbed);
    expect(outputsOf(job)).toEqual(outputsOf(undisturbed));
  });

  test('between two jobs does not affect the next job, which gets a new process', async () => {
    await expectScores(engine.run('score', scoreJob));
    const [pid] = enginesOf(process.pid);
    process.kill(pid, 'SIGKILL');
    await hasEnded(pid);
    await expectScores(engine.run('score', scoreJob));
  });

  test('just before a job is sent to it fails that job, and the next job gets a new process', async () => {
    const [pid] = enginesOf(process.pid);
    process.kill(pid, 'SIGKILL');
    // The event loop is blocked until the process has ended: the parent does not know it yet.
    while (enginesOf(process.pid).length > 0);
    await expect(engine.run('score', scoreJob)).rejects.toThrow(EngineDied);
    await expectScores(engine.run('score', scoreJob));
  });
});

test('a process that cannot be started fails its job', async () => {
  await engine.close();
  const { execPath } = process;
  process.execPath = '/nowhere/node';
  try {
    const lost = engine.run('score', scoreJob);
    await expect(lost).rejects.toThrow(EngineDied);
    await expect(lost).rejects.toThrow(/cannot be reached for score: spawn \/nowhere\/node ENOENT/);
  } finally {
    process.execPath = execPath;
  }
  await expectScores(engine.run('score', scoreJob));
});

test('a process that reports nothing for too long is killed', async () => {
  const patient = startEngine({ silenceSeconds: 5 });
  await engine.close();
  // The host's clock advances only here: the machine's speed does not matter.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    let pid = 0;
    const hung = trainUntil(patient, (id) => process.kill((pid = id), 'SIGSTOP'));
    hung.catch(() => {});
    await expect.poll(() => pid > 0 && isStopped(pid)).toBe(true);
    // Its earlier reports have arrived.
    await new Promise(setImmediate);
    vi.advanceTimersByTime(4900);
    expect(isStopped(pid)).toBe(true);
    vi.advanceTimersByTime(200);
    await expect(hung).rejects.toThrow(EngineDied);
    await expect(hung).rejects.toThrow('reported nothing for 5 s and was killed during optimize');
    expect(enginesOf(process.pid)).toEqual([]);
    await expectScores(patient.run('score', scoreJob));
  } finally {
    vi.useRealTimers();
    await patient.close();
  }
});

test('the process ignores signals of the terminal', async () => {
  const job = optimizeJob(newFolder(), { epochs: 50 });
  const trained = trainUntil(
    engine,
    (pid) => ['SIGINT', 'SIGTERM'].forEach((signal) => process.kill(pid, signal)),
    job,
  );
  expect((await trained).steps).toBe(50);
});

test('closing ends the process and its job', async () => {
  let pid = 0;
  let closed: Promise<void> | undefined;
  const lost = trainUntil(engine, (id) => {
    pid = id;
    closed = engine.close();
  });
  await expect(lost).rejects.toThrow(EngineDied);
  await closed;
  expect(isAlive(pid)).toBe(false);
  await engine.close();
});

test('the process ends when its parent is killed', async () => {
  const parent = forkModule(new URL('./host-parent.ts', import.meta.url), [newFolder()]);
  await once(parent, 'message');
  const [pid] = enginesOf(parent.pid!);
  parent.kill('SIGKILL');
  await hasEnded(pid);
});
