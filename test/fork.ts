/**
 * In tests, takes the place of engine/process/fork.ts (see vitest.config.ts): children that are modules of the package run in the form
 * that test/build.ts has compiled, which starts in a third of the CPU time that tsx takes.
 */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as sources from '../engine/process/fork.ts';

export const { moduleFile } = sources;

const root = fileURLToPath(new URL('..', import.meta.url));

export function forkModule(module: URL, args: string[], options: ForkOptions = {}): ChildProcess {
  const path = relative(root, fileURLToPath(module)).replace(/\.ts$/, '.js');
  const compiled = join(process.env['SELM_TEST_PACKAGE']!, path);
  // Children that are part of the tests themselves are not compiled.
  return existsSync(compiled)
    ? fork(compiled, args, { ...options, execArgv: [] })
    : sources.forkModule(module, args, options);
}
