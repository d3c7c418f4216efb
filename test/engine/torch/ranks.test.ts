/** The ranks of the torch backend: stopped, killed and hung ones, what their parent reports, and that none is left behind. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startEngine } from '../../../engine/backends.ts';
import { forkModule } from '../../../engine/process/fork.ts';
import type { ComputeSettings } from '../../../engine/protocol/compute.ts';
import type { Engine, OptimizeJob, Progress } from '../../../engine/protocol/jobs.ts';
import { EngineDied, JobAborted, TrainingDiverged } from '../../../engine/protocol/errors.ts';
import { temporaryFolder } from '../../temporary.ts';
import { referenceCase } from '../reference-case.ts';
import { backendsOf, describeTorch, filesIn, isAlive, ranksOf, twoRanks } from './environment.ts';

const scratch = temporaryFolder();
// Where the ranks' folders are.
process.env['TMPDIR'] = scratch;
const { pairs, expected, reference, optimizeJob } = referenceCase('llama');

/** The watchdog's limit is for the test of a hang: no step takes nearly as long. */
const SILENCE_SECONDS = 20;
const engine = startEngine({ silenceSeconds: SILENCE_SECONDS });
afterAll(() => engine.close());

let outputs = 0;
const newFolder = () => join(scratch, String(outputs++));
const trainingOf = (epochs: number): OptimizeJob & { outDir: string } => ({
  ...optimizeJob(newFolder(), { epochs, batchSize: 2, schedule: 'cosine' }),
  ...twoRanks,
});

const scores = async (settings: ComputeSettings = twoRanks) => {
  const rows = pairs.map(({ prompt, chosen }) => ({ prompt_input_ids: prompt, response_input_ids: chosen }));
  const result = await engine.run('score', { policy: reference, rows, ...settings });
  return result.map(({ logp }, i) => Math.abs(logp - expected.reference_logps[i].chosen) < 1e-4);
};
const expectNextJob = async () => expect(await scores()).toEqual(pairs.map(() => true));

const currentRanks = () => ranksOf(backendsOf(process.pid)[0]);

/** Trains, and calls `then` with the ranks after the given step. */
function trainUntil(step: number, then: (ranks: number[]) => void, job: OptimizeJob, signal?: AbortSignal) {
  const onProgress = ({ metrics }: Progress) => {
    if (metrics?.step === step) then(currentRanks());
  };
  return (engine as Engine).run('optimize', job, { onProgress, signal });
}

const expectGone = async (pids: number[]) => {
  for (const pid of pids) await expect.poll(() => isAlive(pid)).toBe(false);
};

describeTorch('ranks', () => {
  test('start with the first job and stay for the next one; other settings get others', async () => {
    await expectNextJob();
    const first = currentRanks();
    expect(first).toHaveLength(2);
    await expectNextJob();
    expect(currentRanks()).toEqual(first);
    await scores({ ...twoRanks, gpus: 1 });
    expect(currentRanks()).toHaveLength(1);
    await expectGone(first);
  });

  test('a training that is stopped, or loses a rank, resumes from its checkpoint and ends with the same bits', async () => {
    const plain = trainingOf(20);
    const { metrics } = await engine.run('optimize', plain);
    const job = { ...plain, outDir: newFolder(), checkpoint: { dir: newFolder(), everySeconds: 0 } };
    const stop = new AbortController();
    const stopped = trainUntil(10, () => stop.abort(), job, stop.signal);
    await expect(stopped).rejects.toThrow(JobAborted);
    await expect(stopped).rejects.toThrow(/^training was stopped after \d+ of 40 steps$/);
    const lost = trainUntil(25, ([, second]) => process.kill(second, 'SIGKILL'), job);
    await expect(lost).rejects.toThrow(EngineDied);
    const { resumedFromStep, metrics: resumed } = await engine.run('optimize', job);
    expect(resumedFromStep).toBeGreaterThanOrEqual(10);
    expect(filesIn(job.outDir)).toEqual(filesIn(plain.outDir));
    const withoutSpeed = (rows: typeof metrics) => rows.map(({ 'tokens/s': _speed, ...row }) => row);
    expect(withoutSpeed(resumed)).toEqual(withoutSpeed(metrics));
  });

  test.each([
    [
      0,
      'SIGKILL',
      /^Rank 0 of 2 was killed \(SIGKILL\), most often because the machine ran out of memory, during optimize, after step/,
    ],
    [
      1,
      'SIGKILL',
      /^Rank 1 of 2 was killed \(SIGKILL\), most often because the machine ran out of memory, during optimize, after step/,
    ],
    [1, 'SIGSEGV', /^Rank 1 of 2 ended with SIGSEGV during optimize, after step \d+/],
  ] as const)(
    'rank %d that dies of %s is named, all ranks end, and the next job has new ones',
    async (rank, signal, message) => {
      let ranks: number[] = [];
      const lost = trainUntil(
        2,
        (pids) => {
          ranks = pids;
          process.kill(pids[rank], signal);
        },
        trainingOf(10_000),
      );
      await expect(lost).rejects.toThrow(EngineDied);
      await expect(lost).rejects.toThrow(message);
      await expectGone(ranks);
      await expectNextJob();
    },
  );

  test('a rank that hangs is named, with where the others wait, and all are killed', async () => {
    let ranks: number[] = [];
    const hung = trainUntil(
      2,
      (pids) => {
        ranks = pids;
        process.kill(pids[1], 'SIGSTOP');
      },
      trainingOf(10_000),
    );
    await expect(hung).rejects.toThrow(EngineDied);
    await expect(hung).rejects.toThrow(
      /^The ranks made no progress for 20 s during optimize, after step \d+.*: Rank 0 of 2 is in .+\.py:\d+\).*; Rank 1 of 2 is stopped by a signal\.$/,
    );
    await expectGone(ranks);
    await expectNextJob();
  });

  test('a training that diverges fails with its own error, and the ranks stay', async () => {
    await expectNextJob();
    const ranks = currentRanks();
    const job = optimizeJob(newFolder(), { learningRate: 1e30, schedule: 'constant', epochs: 50 });
    const failed = engine.run('optimize', { ...job, ...twoRanks });
    await expect(failed).rejects.toThrow(TrainingDiverged);
    await expect(failed).rejects.toThrow(/^Training diverged at step \d+: .*; lower the learning rate\.$/);
    await expectNextJob();
    expect(currentRanks()).toEqual(ranks);
  });

  test("end when the backend's process is killed", async () => {
    let ranks: number[] = [];
    const lost = trainUntil(
      2,
      (pids) => {
        ranks = pids;
        process.kill(backendsOf(process.pid)[0], 'SIGKILL');
      },
      trainingOf(10_000),
    );
    await expect(lost).rejects.toThrow(EngineDied);
    expect(ranks).toHaveLength(2);
    await expectGone(ranks);
    // The next backend removes the folder that the killed one has left.
    await expectNextJob();
    expect(readdirSync(scratch).filter((name) => name.startsWith('selm-torch'))).toHaveLength(1);
  });

  test('end when the worker is killed', async () => {
    const worker = forkModule(new URL('./training-parent.ts', import.meta.url), [newFolder()]);
    await once(worker, 'message');
    const [backend] = backendsOf(worker.pid!);
    const ranks = ranksOf(backend);
    expect(ranks).toHaveLength(2);
    worker.kill('SIGKILL');
    await expectGone([backend, ...ranks]);
  });
});
