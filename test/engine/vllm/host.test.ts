/** The life of the worker's vLLM: real processes in its place. The real one is in test/vllm. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { forkModule } from '../../../engine/process/fork.ts';
import { EngineDied } from '../../../engine/protocol/errors.ts';
import type { VllmSettings } from '../../../engine/vllm/spec.ts';
import type { GpuMemory } from '../../../engine/vllm/memory.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { ended } from './ended.ts';
import { ask, startHost, type Told } from './stand-in.ts';

const folder = temporaryFolder();
const model = tinyModel(join(folder, 'model'));
const other = tinyModel(join(folder, 'other'));
const onCpu: VllmSettings = { args: [], device: 'cpu' };

/** Gives a model of 256 tokens 8192. */
function longContext(target: string): void {
  const file = join(target, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, max_position_embeddings: 8192 }));
}

const host = startHost();
afterEach(() => host.stop());

const valueOf = ({ args }: Told, flag: string) => args[args.indexOf(flag) + 1];

describe('a server', () => {
  test('gets its model, a port and a key that is not among its arguments', async () => {
    const serving = await host.serve({ model }, 100, onCpu);
    const told = await ask(serving);
    expect(told.args.slice(0, 4)).toEqual(['-m', 'vllm.entrypoints.cli.main', 'serve', model]);
    expect(serving.url).toBe(`http://127.0.0.1:${valueOf(told, '--port')}/v1`);
    expect(told.key).toBe(serving.key.reveal());
    expect(told.key).toMatch(/^\w{64}$/);
    expect(told.args.join(' ')).not.toContain(told.key);
    expect(told.env).not.toContain('VLLM_ALLOW_RUNTIME_LORA_UPDATING');
  });

  test('stays for policies that it can serve, whatever their adapter', async () => {
    const first = await ask(await host.serve({ model, adapter: tinyAdapter }, 100, onCpu));
    expect(valueOf(first, '--max-lora-rank')).toBe('8');
    expect(first.env).toContain('VLLM_ALLOW_RUNTIME_LORA_UPDATING');
    expect((await ask(await host.serve({ model }, 200, onCpu))).pid).toBe(first.pid);
  });

  test('is replaced for another model, and by one that still takes adapters for the first adapter', async () => {
    const first = await ask(await host.serve({ model }, 100, onCpu));
    const second = await ask(await host.serve({ model, adapter: tinyAdapter }, 100, onCpu));
    await ended(first);
    expect((await ask(await host.serve({ model }, 100, onCpu))).pid).toBe(second.pid);
    const third = await ask(await host.serve({ model: other }, 100, onCpu));
    await ended(second);
    expect(third.args).not.toContain('--enable-lora');
  });

  test('takes as long prompts as the one before it, if its model is of the same shape', async () => {
    const long = join(folder, 'long');
    const longer = join(folder, 'longer');
    for (const target of [long, longer]) longContext(tinyModel(target));
    await host.serve({ model: long }, 3000, onCpu);
    await host.stop();
    const next = await ask(await host.serve({ model: longer }, 100, onCpu));
    expect(valueOf(next, '--max-model-len')).toBe('4096');
  });

  test('is replaced when its arguments change', async () => {
    const first = await ask(await host.serve({ model }, 100, onCpu));
    const second = await ask(await host.serve({ model }, 100, { ...onCpu, args: ['--seed', '1'] }));
    await ended(first);
    expect(second.args.slice(-2)).toEqual(['--seed', '1']);
  });

  test('ends with all processes that it has started', async () => {
    const told = await ask(await host.serve({ model }, 100, onCpu));
    await host.stop();
    await ended(told);
  });

  test('that dies is reported to its users, and another one takes its place', async () => {
    const serving = await host.serve({ model }, 100, onCpu);
    const told = await ask(serving);
    process.kill(told.pid, 'SIGKILL');
    await once(serving.died, 'abort');
    expect(serving.died.reason).toBeInstanceOf(EngineDied);
    expect((serving.died.reason as Error).message).toMatch(/^vLLM was killed \(SIGKILL\)/);
    await ended(told);
    const next = await ask(await host.serve({ model }, 100, onCpu));
    expect(next.pid).not.toBe(told.pid);
  });

  test('ends with the process that has started it, if that is killed', async () => {
    const parent = forkModule(new URL('./parent.ts', import.meta.url), [model]);
    const [told] = (await once(parent, 'message')) as [Told];
    parent.kill('SIGKILL');
    await ended(told);
  });

  test('that does not start is an error with its last words', async () => {
    const failing = host.serve({ model }, 100, { ...onCpu, args: ['--fail', 'RuntimeError: no such kernel'] });
    await expect(failing).rejects.toThrow('vLLM ended with exit code 1. Its last words: RuntimeError: no such kernel');
  });

  test('is not started for a step that was stopped', async () => {
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    await expect(host.serve({ model }, 100, onCpu, stop.signal)).rejects.toThrow('stopped');
  });
});

test('without vLLM, the error says how to get it', async () => {
  const without = startHost({ environment: () => ({ python: '/opt/python' }) });
  const failure = await without.version(onCpu).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(InputError);
  expect((failure as Error).message).toMatch(/^\/opt\/python has no vLLM/);
});

describe('on GPUs', () => {
  const gigabyte = 1e9;
  let gpus: GpuMemory[] = [];
  let freed = 0;
  /** What is read first, before `gpus`. */
  let states: GpuMemory[][] = [];
  const onGpus = startHost({ readGpus: () => states.shift() ?? gpus, freeDevice: async () => void freed++ });
  afterAll(() => onGpus.stop());
  const idle = [0, 1, 2, 3].map((index) => ({ index, memory: 80 * gigabyte, used: gigabyte }));

  test('a server runs one copy of a small model on each', async () => {
    gpus = idle;
    const serving = await onGpus.serve({ model }, 100, { args: [] });
    const told = await ask(serving);
    expect(valueOf(told, '--data-parallel-size')).toBe('4');
    expect(valueOf(told, '--dtype')).toBe('bfloat16');
    expect(told.args).not.toContain('--enforce-eager');
    expect([serving.concurrency, freed]).toEqual([1024, 1]);
  });

  test('stopping waits until the memory is free', async () => {
    gpus = idle;
    await onGpus.serve({ model }, 100, { args: [] });
    const busy = idle.map((gpu) => ({ ...gpu, used: 60 * gigabyte }));
    states = [busy, busy];
    await onGpus.stop();
    expect(states).toEqual([]);
  });

  test('too few of them are an error', async () => {
    gpus = idle.slice(0, 1);
    await expect(onGpus.serve({ model }, 100, { args: [], gpus: 2 })).rejects.toThrow(
      /^vLLM needs 2 GPUs, and this machine has 1 /,
    );
  });

  /** The values of vLLM's flag, on four GPUs. */
  const utilizationWith = async (settings: VllmSettings, memory = 80 * gigabyte) => {
    await onGpus.stop();
    gpus = idle.map((gpu) => ({ ...gpu, memory, used: 0 }));
    const { args } = await ask(await onGpus.serve({ model }, 100, settings));
    return args.flatMap((arg, i) => (arg === '--gpu-memory-utilization' ? [args[i + 1]] : []));
  };

  describe('with jobs beside the server', () => {
    test('it leaves them room: 1.7 GB for the KL divergence of small policies, 12 GB for PairRM', async () => {
      expect(await utilizationWith({ args: [] })).toEqual([]);
      expect(await utilizationWith({ args: [], beside: ['divergence'] })).toEqual(['0.87']);
      expect(await utilizationWith({ args: [], beside: ['divergence', 'rank'] })).toEqual(['0.75']);
    });

    test('it fills the GPU where both do not fit', async () => {
      expect(await utilizationWith({ args: [], beside: ['divergence'] }, 3 * gigabyte)).toEqual([]);
    });

    test("the user's utilization comes last", async () => {
      const args = ['--gpu-memory-utilization', '0.5'];
      expect(await utilizationWith({ args, beside: ['divergence'] })).toEqual(['0.87', '0.5']);
    });

    test('it stays for a job that fits into the free memory of its GPUs, measured before the first', async () => {
      gpus = idle;
      const told = await ask(await onGpus.serve({ model }, 100, { args: [], beside: ['divergence'] }));
      const freedBefore = freed;
      // The last GPU is not the job's.
      gpus = idle.map((gpu, i) => ({ ...gpu, used: (i === 3 ? 80 : 70) * gigabyte }));
      expect(await onGpus.makeRoom({ device: 'cuda', gpus: 3 }, 8.9 * gigabyte)).toBe(true);
      // The job's processes keep their memory.
      gpus = idle.map((gpu) => ({ ...gpu, used: 79 * gigabyte }));
      expect(await onGpus.makeRoom({ device: 'cuda', gpus: 3 }, 8.9 * gigabyte)).toBe(true);
      expect((await ask(await onGpus.serve({ model }, 100, { args: [], beside: ['divergence'] }))).pid).toBe(told.pid);
      expect(freed).toBe(freedBefore);
    });

    test.each([
      ['needs more than the usable part of the free memory', { device: 'cuda', gpus: 1 }, 9.1],
      ['needs a GPU that is not there', { device: 'cuda', gpus: 5 }, 1],
      ['computes on another device', { device: 'cpu', gpus: 1 }, 1],
      ['needs the GPUs alone', { device: 'cuda', gpus: 1 }, undefined],
    ] as const)('it is stopped for one that %s, with all that is beside it', async (_, ranks, needed) => {
      gpus = idle;
      const told = await ask(await onGpus.serve({ model }, 100, { args: [] }));
      const freedBefore = freed;
      states = [idle.map((gpu) => ({ ...gpu, used: 70 * gigabyte }))];
      expect(await onGpus.makeRoom(ranks, needed && needed * gigabyte)).toBe(false);
      states = [];
      await ended(told);
      expect(freed).toBe(freedBefore + 1);
      // Nothing runs, so that nothing beside it has to end.
      expect(await onGpus.makeRoom(ranks, undefined)).toBe(false);
      expect(freed).toBe(freedBefore + 1);
    });
  });
});
