/** What nvidia-smi says of this machine's GPUs; a machine without it has none. */
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { nvidiaGpus } from '../../engine/gpus.ts';
import { fakeNvidiaSmi, TWO_H100 } from '../fake-gpus.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const h100 = { name: 'NVIDIA H100 80GB HBM3', memoryMiB: 81_559 };

afterEach(() => vi.unstubAllEnvs());

test('name and memory of each GPU', () => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  // Refuses other arguments than those for this output.
  const expected = '--query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits';
  fakeNvidiaSmi(join(folder, 'two'), `[ "$*" = "${expected}" ] || exit 1; ${TWO_H100}`);
  expect(nvidiaGpus()).toEqual([h100, h100]);
});

test.each([
  ['1', 1],
  ['GPU-5b2f,GPU-77aa', 2],
  ['', 0],
  ['-1', 0],
])('CUDA_VISIBLE_DEVICES=%s leaves %d', (visible, count) => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', visible);
  fakeNvidiaSmi(join(folder, 'visible'), TWO_H100);
  expect(nvidiaGpus()).toHaveLength(count);
});

test('none where nvidia-smi fails, finds none, or is not there', () => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  fakeNvidiaSmi(
    join(folder, 'no-driver'),
    'echo "NVIDIA-SMI has failed because it could not reach the driver."; exit 9',
  );
  expect(nvidiaGpus()).toEqual([]);
  fakeNvidiaSmi(join(folder, 'none'), 'echo "No devices were found"');
  expect(nvidiaGpus()).toEqual([]);
  vi.stubEnv('PATH', folder);
  expect(nvidiaGpus()).toEqual([]);
});
