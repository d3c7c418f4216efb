/** The Python environment of the peers, created once in the cache. */
import { execFile } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../workers/places.ts';

const run = promisify(execFile);

const PACKAGES = [
  'torch==2.15.0',
  'transformers==5.24.0',
  'peft==0.21.2',
  'trl==1.16.0',
  'gguf==0.19.0',
  'sentencepiece==0.2.3',
];
/** Packages whose versions the page shows. */
const NAMED = ['torch', 'transformers', 'peft', 'trl'];

/** Creates the environment, unless it is complete. @returns the path of its interpreter */
export async function makePython(say: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder(), 'bench-python-trl');
  const python = join(folder, 'bin', 'python');
  const finished = join(folder, 'finished');
  if (existsSync(finished)) return python;
  say(`Making the peers' Python environment, once: ${PACKAGES.join(', ')}.`);
  rmSync(folder, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', ...PACKAGES]);
  // An environment contains its own path, so it cannot be created elsewhere and renamed. This file marks it as complete.
  writeFileSync(finished, '');
  return python;
}

/** Versions of the packages that the page shows. */
export async function pythonVersions(python: string): Promise<Record<string, string>> {
  const script = `import json, importlib.metadata as m; print(json.dumps({p: m.version(p) for p in ${JSON.stringify(NAMED)}}))`;
  return JSON.parse((await run(python, ['-c', script])).stdout) as Record<string, string>;
}
