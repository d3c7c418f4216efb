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
const enginePids = () =>
  descendantsOf(process.pid).flatMap(({ pid, command }) => (/engine\/onnx\/main/.test(command) ? [pid] : []));

test('the backends end before vLLM starts, vLLM before a job of torch, and both with the engine', async () => {
  await engine.run('check', {});
  const [before] = enginePids();
  const first = await serve();
  expect(isRunning(before)).toBe(false);

  await engine.run('check', {});
  expect(isRunning(first.pid)).toBe(true);
  expect((await serve()).pid).toBe(first.pid);

  // It may fail: there is no PyTorch here.
  await engine.run('check', { backend: 'torch', device: 'cpu' }).catch(() => {});
  await ended(first);

  const second = await serve();
  await engine.close();
  await ended(second);
});
