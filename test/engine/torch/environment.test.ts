/** The Python environment of the torch backend, against real interpreters. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { completeMark, environmentFolder, interpreterIn } from '../../../engine/python-environments.ts';
import { torchEnvironment } from '../../../engine/torch/environment.ts';
import { temporaryFolder } from '../../temporary.ts';

const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());

/** A real environment without packages, to which the metadata of packages is added. */
function environment(at: string, packages: Record<string, string>): string {
  execFileSync('python3', ['-m', 'venv', '--without-pip', at]);
  const python = interpreterIn(at);
  const site = execFileSync(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], {
    encoding: 'utf8',
  }).trim();
  for (const [name, version] of Object.entries(packages)) {
    const info = join(site, `${name}-${version}.dist-info`);
    mkdirSync(info);
    writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`);
  }
  return python;
}

const packages = { torch: '2.14.0', transformers: '5.20.2', peft: '0.21.2', safetensors: '0.8.0' };

test('SELM_PYTHON names the interpreter; versions are those of its packages', () => {
  const python = environment(join(folder, 'own'), packages);
  vi.stubEnv('SELM_PYTHON', python);
  expect(torchEnvironment()).toEqual({ python, torch: '2.14.0', transformers: '5.20.2', peft: '0.21.2' });
});

test('an environment in the cache counts once it is complete', () => {
  vi.stubEnv('SELM_PYTHON', undefined);
  vi.stubEnv('SELM_CACHE', join(folder, 'cache'));
  expect(torchEnvironment).toThrow(/^PyTorch is not installed for selm: run selm torch install, or set SELM_PYTHON/);
  const cpu = environmentFolder('torch-cpu');
  const python = environment(cpu, packages);
  expect(torchEnvironment).toThrow(/^PyTorch is not installed/);
  writeFileSync(completeMark(cpu), '');
  expect(torchEnvironment().python).toBe(python);
  const cuda = environmentFolder('torch-cuda');
  environment(cuda, { ...packages, vllm: '0.33.0' });
  writeFileSync(completeMark(cuda), '');
  expect(torchEnvironment()).toMatchObject({ python: interpreterIn(cuda), vllm: '0.33.0' });
});

test('an interpreter that lacks packages, or is none, is named in one sentence', () => {
  const python = environment(join(folder, 'lacking'), { transformers: '5.20.2', safetensors: '0.8.0' });
  vi.stubEnv('SELM_PYTHON', python);
  expect(torchEnvironment).toThrow(
    `${python} lacks torch, peft: install what is missing there, or unset SELM_PYTHON and run selm torch install.`,
  );
  vi.stubEnv('SELM_PYTHON', '/nowhere/python');
  expect(torchEnvironment).toThrow(/^\/nowhere\/python does not run \(.*ENOENT.*\): set SELM_PYTHON to a Python/);
});
