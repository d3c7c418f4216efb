/** An interrupted training resumes from its checkpoint and ends with the same bits as an uninterrupted one. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LocalEngine } from '../../../../engine/onnx/engine.ts';
import { JobAborted } from '../../../../engine/protocol/errors.ts';
import type { OptimizeJob, TrainMetrics } from '../../../../engine/protocol/jobs.ts';
import { referenceCase, type TokenizedJob, undisturbed } from '../../reference-case.ts';
import { withFileErrors } from '../../../artifacts/file-errors.ts';
import { temporaryFolder } from '../../../temporary.ts';

const scratch = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const { policy, reference, optimizeJob } = referenceCase('llama-tied');
/** Two steps per epoch, with two rows and with one; each row is one micro-batch, so an epoch has three. */
const SETTINGS = { batchSize: 2, epochs: 3, microBatchTokens: 1, schedule: 'cosine', weightDecay: 0.1 } as const;
const STEPS = 6;

let runs = 0;
/** A job with a new output folder. */
const newJob = (full: boolean, dir?: string): TokenizedJob => ({
  ...optimizeJob(join(scratch, `out-${runs++}`), { ...SETTINGS, full }),
  ...(dir && { checkpoint: { dir, everySeconds: 3600 } }),
});

const newFolder = () => join(scratch, `checkpoints-${runs++}`);

/** Runs a job and stops it before a micro-batch, counted from 0. @returns the message of the stop */
const stopAtPass = async (job: OptimizeJob, pass: number): Promise<string> => {
  let asked = 0;
  // Scoring under the reference policy also calls aborted() once.
  const stopped = engine.run('optimize', job, { ...undisturbed, aborted: () => asked++ > pass });
  await expect(stopped).rejects.toThrow(JobAborted);
  return stopped.then(
    () => '',
    ({ message }: JobAborted) => message,
  );
};

/** The result of a finished training: the bytes of its files, and its metrics without times. */
const outcome = (job: OptimizeJob, metrics: TrainMetrics[]) => ({
  files: readdirSync(job.outDir).map((name) => [
    name,
    createHash('sha256')
      .update(readFileSync(join(job.outDir, name)))
      .digest('hex'),
  ]),
  metrics: metrics.map(({ 'tokens/s': _speed, ...row }) => row),
});

const finish = async (job: OptimizeJob) => {
  const { metrics, resumedFromStep, damagedCheckpoints } = await engine.run('optimize', job, undisturbed);
  return { ...outcome(job, metrics), resumedFromStep, damagedCheckpoints };
};

/** The results of uninterrupted trainings. */
let adapter: Awaited<ReturnType<typeof finish>>;
let model: typeof adapter;
beforeAll(async () => {
  [adapter, model] = [await finish(newJob(false)), await finish(newJob(true))];
});

describe.each([
  ['a LoRA adapter', false],
  ['all weights', true],
])('training %s', (_, full) => {
  const expected = () => (full ? model : adapter);

  test('stopped in the middle of a step resumes at that step, and ends with the same bits', async () => {
    const dir = newFolder();
    await stopAtPass(newJob(full, dir), 4);
    const resumed = await finish(newJob(full, dir));
    expect(resumed).toEqual({ ...expected(), resumedFromStep: 2 });
    expect(resumed.metrics).toHaveLength(STEPS);
  });

  test('stopped twice ends with the same bits too', async () => {
    const dir = newFolder();
    await stopAtPass(newJob(full, dir), 3);
    await stopAtPass(newJob(full, dir), 3);
    const resumed = await finish(newJob(full, dir));
    expect(resumed).toEqual({ ...expected(), resumedFromStep: 4 });
  });
});

test('a stopped training leaves one checkpoint and no output', async () => {
  const job = newJob(false, newFolder());
  await stopAtPass(job, 3);
  expect(readdirSync(job.checkpoint!.dir)).toEqual(['step-00000002']);
  expect(existsSync(job.outDir)).toBe(false);
});

test('a training stopped before its first step leaves no checkpoint', async () => {
  const job = newJob(false, newFolder());
  await stopAtPass(job, 1);
  expect(existsSync(job.checkpoint!.dir)).toBe(false);
});

test('a stopped training begins no checkpoint that would take too long, and says what is lost', async () => {
  const dir = newFolder();
  const stoppable = (stopSeconds: number): TokenizedJob => ({
    ...newJob(false, dir),
    checkpoint: { dir, everySeconds: 3600, stopSeconds },
  });
  await stopAtPass(stoppable(25), 3);
  expect(readdirSync(dir)).toEqual(['step-00000002']);
  // Written in time, but not uploaded.
  writeFileSync(join(dir, '.uploaded.json'), '{"seconds":240}');
  await expect(stopAtPass(stoppable(25), 3)).resolves.toBe(
    'training was stopped after 4 of 6 steps; a checkpoint would take 240 s, longer than a worker that ends has: ' +
      '2 steps after step 2 will be computed again',
  );
  // After the one whose upload is in progress.
  mkdirSync(join(dir, '.upload'));
  await expect(stopAtPass(stoppable(450), 3)).resolves.toMatch(/would take 480 s/);
  expect(readdirSync(dir).sort()).toEqual(['.upload', '.uploaded.json', 'step-00000002']);
  await stopAtPass(stoppable(500), 3);
  expect(readdirSync(dir).sort()).toEqual(['.upload', '.uploaded.json', 'step-00000004']);
  expect(await finish(stoppable(25))).toEqual({ ...adapter, resumedFromStep: 4 });
});

test('checkpoints are written at the given interval, each replacing the one before', async () => {
  const dir = newFolder();
  const written: string[] = [];
  const present: string[][] = [];
  const onProgress = ({ checkpoint }: { checkpoint?: string }) => {
    if (!checkpoint) return;
    written.push(checkpoint);
    present.push(readdirSync(dir));
  };
  await engine.run(
    'optimize',
    { ...newJob(false), checkpoint: { dir, everySeconds: 0 } },
    { ...undisturbed, onProgress },
  );
  const names = [1, 2, 3, 4, 5].map((step) => `step-0000000${step}`);
  expect(written).toEqual(names.map((name) => join(dir, name)));
  expect(present).toEqual(names.map((name) => [name]));
});

describe('of two checkpoints', () => {
  const both = newFolder();
  let dir: string;
  let newest: string;
  beforeAll(async () => {
    const work = newFolder();
    for (let stops = 0; stops < 2; stops++) {
      await stopAtPass(newJob(false, work), 3);
      cpSync(work, both, { recursive: true });
    }
    expect(readdirSync(both)).toEqual(['step-00000002', 'step-00000004']);
  });
  beforeEach(() => {
    dir = newFolder();
    newest = join(dir, 'step-00000004');
    cpSync(both, dir, { recursive: true });
  });

  const damage: [string, number, () => void][] = [
    ['the newer one is taken', 4, () => {}],
    [
      'the older one is taken where the state was cut short',
      2,
      () => truncateSync(join(newest, 'state.safetensors'), 9999),
    ],
    [
      'the older one is taken where a byte of the state changed',
      2,
      () => flipLastByte(join(newest, 'state.safetensors')),
    ],
    ['the older one is taken where the state is missing', 2, () => rmSync(join(newest, 'state.safetensors'))],
    [
      'the older one is taken where the summary was cut short',
      2,
      () => truncateSync(join(newest, 'checkpoint.json'), 99),
    ],
    [
      'the older one is taken where a letter of the summary changed',
      2,
      () => rename(join(newest, 'checkpoint.json'), 'reference', 'referense'),
    ],
    ['the older one is taken where the summary is missing', 2, () => rmSync(join(newest, 'checkpoint.json'))],
  ];
  test.each(damage)('%s', async (_name, step, spoil) => {
    spoil();
    // A checkpoint without its summary was never complete: it does not count as damaged.
    const damagedCheckpoints = step === 2 && existsSync(join(newest, 'checkpoint.json')) ? [newest] : [];
    const resumed = await finish(newJob(false, dir));
    expect(resumed).toEqual({ ...adapter, resumedFromStep: step, damagedCheckpoints });
  });
});

test.each(['state.safetensors', 'checkpoint.json'])(
  'a checkpoint whose %s cannot be read now does not count as damaged',
  async (name) => {
    const dir = newFolder();
    await stopAtPass(newJob(false, dir), 3);
    const unreadable = withFileErrors('EMFILE', new RegExp(`${dir}/.*${name}$`), () => finish(newJob(false, dir)));
    await expect(unreadable).rejects.toThrow('EMFILE');
    expect(await finish(newJob(false, dir))).toEqual({ ...adapter, resumedFromStep: 2 });
  },
);

function rename(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

function flipLastByte(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(file, bytes);
}

describe('a checkpoint of another training is not resumed: other', () => {
  const { rows, objective, training } = newJob(false);
  const others: [string, Partial<OptimizeJob>][] = [
    ['rows', { rows: rows.toReversed() }],
    ['seed', { seed: 1 }],
    ['learning rate', { training: { ...training, learningRate: 5e-4 } }],
    ['beta', { objective: { ...objective, beta: 0.2 } }],
    ['objective', { objective: { ...objective, name: 'dpo' } }],
    ['adapter to start from', { policy: reference }],
    ['reference policy', { reference: policy }],
  ];
  const kept = newFolder();
  beforeAll(() => stopAtPass(newJob(false, kept), 2));

  test.each(others)('%s', async (_, change) => {
    const dir = newFolder();
    cpSync(kept, dir, { recursive: true });
    const { resumedFromStep } = await engine.run('optimize', { ...newJob(false, dir), ...change }, undisturbed);
    expect(resumedFromStep).toBeUndefined();
  });
});
