/** A host of stand-ins for vLLM: real processes that answer /health. */
import { fileURLToPath } from 'node:url';
import { VllmHost, type Serving, type VllmHostOptions } from '../../../engine/vllm/host.ts';

export const standIn = fileURLToPath(new URL('stand-in.mjs', import.meta.url));

export const startHost = (options: Partial<VllmHostOptions> = {}) =>
  new VllmHost({ environment: () => ({ python: standIn, vllm: '1.2.3' }), readGpus: () => [], ...options });

/** How a stand-in was started. */
export interface Told {
  pid: number;
  child: number;
  args: string[];
  key: string;
  /** The names of its environment variables. */
  env: string[];
}

export async function ask({ url }: Pick<Serving, 'url'>): Promise<Told> {
  return (await (await fetch(url.replace(/v1$/, 'health'))).json()) as Told;
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
