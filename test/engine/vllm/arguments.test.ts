/** The choice of vLLM's arguments, the memory of GPUs, and the causes of failures. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { EngineDied } from '../../../engine/protocol/errors.ts';
import { contextFor, loraRankFor, parallelismFor, serveArguments } from '../../../engine/vllm/arguments.ts';
import { vllmFailure } from '../../../engine/vllm/failure.ts';
import { leastUsed, untilFree } from '../../../engine/vllm/memory.ts';

const gb = 1e9;
const gpus = (count: number, each: number) => Array.from({ length: count }, () => each * gb);

describe('a model is divided over as few GPUs as leave room for its cache, and copied on the others', () => {
  test.each([
    ['7B on one GPU of 80 GB', 14.5, 32, gpus(1, 80), { tensor: 1, data: 1 }],
    ['7B on eight of 80 GB', 14.5, 32, gpus(8, 80), { tensor: 1, data: 8 }],
    ['7B on one of 24 GB', 14.5, 32, gpus(1, 24), { tensor: 1, data: 1 }],
    ['7B on two of 24 GB', 14.5, 32, gpus(2, 24), { tensor: 2, data: 1 }],
    ['70B on eight of 80 GB', 141, 64, gpus(8, 80), { tensor: 4, data: 2 }],
    ['30B on eight of 80 GB', 60, 40, gpus(8, 80), { tensor: 2, data: 4 }],
    ['a model of 9 heads on four of 80 GB', 10, 9, gpus(4, 80), { tensor: 1, data: 4 }],
  ])('%s', (_, weights, heads, memories, expected) => {
    expect(parallelismFor(weights * gb, heads, memories)).toEqual(expected);
  });

  test('one that does not fit is refused', () => {
    expect(() => parallelismFor(141 * gb, 64, gpus(1, 80))).toThrow(
      /^The model's weights \(141.0 GB\) do not fit on 1 GPUs of 80.0 GB: /,
    );
  });
});

test.each([
  [100, 8192, 2048],
  [2049, 8192, 4096],
  [5000, 8192, 8192],
  [100, 256, 256],
])('a context of %i tokens of a model with %i is served as %i', (needed, limit, served) => {
  expect(contextFor(needed, limit)).toBe(served);
});

test('ranks are those of vLLM', () => {
  expect([1, 2, 8, 16, 17, 300, 512].map(loraRankFor)).toEqual([1, 8, 8, 16, 32, 320, 512]);
  expect(() => loraRankFor(513)).toThrow(InputError);
});

const sizes = { limit: 4096, weights: 16 * gb, memory: 80 * gb, room: 0 };

test('what the user gives comes last', () => {
  const parallelism = { tensor: 2, data: 1 };
  const spec = { model: '/m', device: 'cuda', context: 2048, parallelism, ...sizes } as const;
  const given = serveArguments({ ...spec, args: ['--gpu-memory-utilization', '0.5'] }, 8000, 0.79);
  expect(given.slice(-2)).toEqual(['--gpu-memory-utilization', '0.5']);
  expect(given.join(' ')).toContain('--tensor-parallel-size 2');
  expect(given).not.toContain('--data-parallel-size');
});

describe('the memory of GPUs', () => {
  const [first, second] = [0.1, 70].map((used, index) => ({ index, memory: 80 * gb, used: used * gb }));

  test('is compared with the least that was in use', () => {
    const busy = [{ ...first, used: 50 * gb }, second];
    expect(leastUsed([], busy)).toEqual(busy);
    expect(leastUsed([first], busy)).toEqual([first, second]);
  });

  test('that is not given back is an error which names the GPU', async () => {
    const read = () => [{ ...first, used: 40 * gb }];
    const failure = await untilFree([first], read, 0).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineDied);
    expect((failure as Error).message).toMatch(
      /^GPU 0 still has 40.0 GB in use 0 s after selm's processes on it have ended: /,
    );
  });
});

/** A line of vLLM's log. */
const line = (text: string) => `(EngineCore pid=41) ERROR 11-29 04:16:24 [core.py:912] ${text}\n`;

describe('a failure', () => {
  const generic = '(APIServer pid=12) RuntimeError: Engine core initialization failed. See root cause above.\n';

  test('has its cause from the process that failed first', () => {
    const output = `${line('Traceback (most recent call last):')}${line('ValueError: bad state.')}${generic}`;
    expect(vllmFailure('ended with exit code 1', output).message).toBe(
      'vLLM ended with exit code 1. Its last words: ValueError: bad state',
    );
  });

  test.each([
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.',
    'ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory utilization (0.9)',
  ])('for want of memory says so: %s', (text) => {
    const failure = vllmFailure('ended with exit code 1', `${line(text)}${generic}`);
    expect(failure).toBeInstanceOf(EngineDied);
    expect(failure.message).toMatch(/^vLLM ended with exit code 1, because there was too little free memory: /);
  });

  test.each([
    "ValueError: Model architectures ['FooForCausalLM'] are not supported for now.",
    'vllm serve: error: unrecognized arguments: --foo',
  ])('of the input is not tried again: %s', (text) => {
    expect(vllmFailure('ended with exit code 2', line(text))).toBeInstanceOf(InputError);
  });

  test('without a traceback has the last lines', () => {
    expect(vllmFailure('ended with SIGSEGV', 'one\n\ntwo\n').message).toBe(
      'vLLM ended with SIGSEGV. Its last words: one | two',
    );
  });
});
