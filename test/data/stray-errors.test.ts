/** Unhandled errors end a command with one sentence. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const source = (name: string) => JSON.stringify(pathToFileURL(resolve('data', name)).href);

/** Runs code that can use `InputError`, with the command line's handler of unhandled errors. */
function run(code: string): Promise<{ code: unknown; stderr: string }> {
  const file = join(folder, 'module.mts');
  writeFileSync(
    file,
    `import { InputError } from ${source('errors.ts')};\nimport { endAtStrayErrors } from ${source('stray-errors.ts')};\nendAtStrayErrors();\n${code}\nsetInterval(() => {}, 1000);\n`,
  );
  return new Promise((ended) =>
    execFile(process.execPath, ['--import', import.meta.resolve('tsx'), file], (error, _, stderr) =>
      ended({ code: error?.code, stderr }),
    ),
  );
}

test.each([
  ['a rejection', 'void Promise.reject(new Error("one\\ntwo \\u001b[31m"));', 'selm: one two \\x1b[31m\n', 1],
  ['an exception', 'setTimeout(() => { throw new TypeError("no"); });', 'selm: no\n', 1],
  ['an input error', 'void Promise.reject(new InputError("a.jsonl is empty."));', 'selm: a.jsonl is empty.\n', 2],
  ['what is no error', 'void Promise.reject(undefined);', 'selm: undefined\n', 1],
])('%s', async (_, code, said, exitCode) => {
  expect(await run(code)).toEqual({ code: exitCode, stderr: said });
});
