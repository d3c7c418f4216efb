/** Child processes that run modules of this project, from a checkout or from the compiled package. */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Whether this is the compiled package, whose modules Node runs as they are. */
const isCompiled = import.meta.url.endsWith('.js');

/**
 * Forks a module: TypeScript by tsx in a checkout, JavaScript in the compiled package. It does not matter what runs the parent.
 * @param module its source's URL, `new URL('./child.ts', import.meta.url)`: in the package, `child.js` is in its place
 */
export function forkModule(module: URL, args: string[], options: ForkOptions = {}): ChildProcess {
  const path = fileURLToPath(module);
  if (isCompiled) return fork(path.replace(/\.ts$/, '.js'), args, { ...options, execArgv: [] });
  return fork(path, args, { ...options, execArgv: ['--import', import.meta.resolve('tsx')] });
}
