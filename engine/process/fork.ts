/** Child processes that run modules of this project, from a checkout or from the compiled package. */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Whether this is the compiled package, whose modules Node runs as they are. */
const isCompiled = import.meta.url.endsWith('.js');

/**
 * The file of a module of this project.
 * @param module its source's URL, as `new URL('./child.ts', import.meta.url)`: in the package, `child.js` is in its place
 */
export function moduleFile(module: URL): string {
  const path = fileURLToPath(module);
  return isCompiled ? path.replace(/\.ts$/, '.js') : path;
}

/** Forks a module: TypeScript by tsx in a checkout, JavaScript in the compiled package. It does not matter what runs the parent. */
export function forkModule(module: URL, args: string[], options: ForkOptions = {}): ChildProcess {
  const execArgv = isCompiled ? [] : ['--import', import.meta.resolve('tsx')];
  return fork(moduleFile(module), args, { ...options, execArgv });
}
