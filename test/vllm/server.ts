/** A vLLM server of somebody else's: not started by a worker. */
import { randomBytes } from 'node:crypto';
import { ServerProcess } from '../../engine/vllm/process.ts';
import { vllmFailure } from '../../engine/vllm/failure.ts';
import { freePort } from '../free-port.ts';

/** Environment variable with the key of all these servers. */
export const KEY_VARIABLE = 'TEST_VLLM_KEY';
process.env[KEY_VARIABLE] ??= randomBytes(16).toString('hex');

const SECONDS = 1200;

/** @param args of `vllm serve`, the model first */
export async function startVllm(args: string[]): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const cpu = ['--dtype', 'float32', '--enforce-eager', '--max-model-len', '1024'];
  const command = [process.env['SELM_PYTHON']!, '-m', 'vllm.entrypoints.cli.main', 'serve', ...args, ...cpu];
  const server = new ServerProcess(
    [...command, '--host', '127.0.0.1', '--port', String(port)],
    {
      ...process.env,
      VLLM_API_KEY: process.env[KEY_VARIABLE],
      VLLM_CPU_KVCACHE_SPACE: '1',
      VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
      VLLM_NO_USAGE_STATS: '1',
    },
    vllmFailure,
  );
  await server.ready(`http://127.0.0.1:${port}/health`, SECONDS);
  return { url: `http://127.0.0.1:${port}/v1`, stop: () => server.stop() };
}
