/** Vitest's global setup of `npm run test:vllm`: the compiled package, and vLLM as the Python of its workers. */
import type { TestProject } from 'vitest/node';
import build from '../build.ts';
import { vllmPython } from './environment.ts';

export default async function setup(project: TestProject): Promise<void> {
  await build(project);
  process.env['SELM_PYTHON'] = await vllmPython();
}
