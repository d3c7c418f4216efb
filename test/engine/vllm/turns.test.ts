/** vLLM and the backends use the device in turn. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startWithVllm } from '../../../engine/backends.ts';
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
