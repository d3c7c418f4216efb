/** What nvidia-smi says of this machine's GPUs; a machine without it has none. */
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { nvidiaGpus } from '../../engine/gpus.ts';
import { fakeNvidiaSmi, TWO_H100 } from '../fake-gpus.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const h100 = { name: 'NVIDIA H100 80GB HBM3', memory: 81_559 * 2 ** 20 };
const [first, second] = [
  { ...h100, index: 0, used: 4 * 2 ** 20 },
  { ...h100, index: 1, used: 70_112 * 2 ** 20 },
];

afterEach(() => vi.unstubAllEnvs());

test('what each GPU has', () => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  // Refuses other arguments than those for this output.
  const expected = '--query-gpu=index,uuid,memory.total,memory.used,name --format=csv,noheader,nounits';
  fakeNvidiaSmi(join(folder, 'two'), `[ "$*" = "${expected}" ] || exit 1; ${TWO_H100}`);
  expect(nvidiaGpus()).toEqual([first, second]);
});

test.each([
  ['1', [second]],
  ['GPU-77aa, 0', [second, first]],
  ['', []],
  ['-1', []],
])('CUDA_VISIBLE_DEVICES=%s', (visible, gpus) => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', visible);
  fakeNvidiaSmi(join(folder, 'visible'), TWO_H100);
  expect(nvidiaGpus()).toEqual(gpus);
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
