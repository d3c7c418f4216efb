/** Child processes that run this project's TypeScript. */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Forks a module, TypeScript or not, whatever runs the parent. */
export function forkModule(module: URL, args: string[], options: ForkOptions = {}): ChildProcess {
  return fork(fileURLToPath(module), args, { ...options, execArgv: ['--import', tsx] });
}
