/** vLLM and the backends on one device: in turn, and what happens to vLLM when a job beside it fails. */
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { startWithVllm } from '../../../engine/backends.ts';
import { EngineDied, JobAborted } from '../../../engine/protocol/errors.ts';
import { descendantsOf } from '../../faults/processes.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { ended } from './ended.ts';
import { ask, isRunning, standIn } from './stand-in.ts';

process.env['SELM_PYTHON'] = standIn;
const policy = { model: tinyModel(join(temporaryFolder(), 'model')) };
const { engine, vllm } = startWithVllm();
afterAll(() => engine.close());

const serve = async () => ask(await vllm.serve(policy, 100, { args: [], device: 'cpu' }));
const rows = [{ prompt_input_ids: [1], response_input_ids: [2] }];
/** Fails, since there is no PyTorch here, after the backend's process has started. */
const computeByTorch = () => engine.run('score', { policy, rows, backend: 'torch' }).catch(() => {});
const pidOf = (backend: string) =>
  descendantsOf(process.pid).flatMap(({ pid, command }) =>
    command.includes(`engine/${backend}/main`) ? [pid] : [],
  )[0];

describe('a job that fails beside vLLM', () => {
  const job = { policy, reference: policy, rows, backend: 'torch', device: 'cpu', gpus: 1 } as const;
  const failure = () => engine.run('divergence', job).catch((error: unknown) => error as Error);
  afterEach(async () => {
    delete process.env['STAND_IN_ERROR'];
    await vllm.stop();
  });

  test('stops it, so that the next attempt has the device alone', async () => {
    const told = await serve();
    expect(await failure()).toBeInstanceOf(EngineDied);
    await ended(told);
  });

  test('for too little memory is no fault of the settings', async () => {
    process.env['STAND_IN_ERROR'] = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.';
    const told = await serve();
    const beside = await failure();
    await ended(told);
    expect(beside).toBeInstanceOf(EngineDied);
    expect((beside as Error).message).toMatch(
      /^divergence had too little GPU memory beside vLLM, which has been stopped/,
    );
    const alone = await failure();
    expect(alone).toBeInstanceOf(InputError);
    expect((alone as Error).message).toMatch(/^Rank 0 of 1 ran out of GPU memory during /);
  });

  test('because it was stopped leaves it', async () => {
    const told = await serve();
    const stopped = engine.run('divergence', job, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(JobAborted);
    expect(isRunning(told.pid)).toBe(true);
  });
});

test('the torch backend ends before vLLM starts, vLLM before a job of torch, and both with the engine', async () => {
  await engine.run('score', { policy, rows });
  await computeByTorch();
  const [onnx, torch] = ['onnx', 'torch'].map(pidOf);
  const first = await serve();
  expect([onnx, torch].map(isRunning)).toEqual([true, false]);

  await engine.run('score', { policy, rows });
  expect(isRunning(first.pid)).toBe(true);
  expect((await serve()).pid).toBe(first.pid);

  await computeByTorch();
  await ended(first);

  const second = await serve();
  await engine.close();
  await ended(second);
});
