/** The flags of the scripts: a mistake is one sentence and exit code 2. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

async function script(...args: string[]) {
  // A script that takes a wrong flag would measure for hours.
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: 'pipe', timeout: 600_000 });
  let said = '';
  for (const output of [child.stdout, child.stderr]) output.on('data', (data) => (said += data));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

test.each([
  ['bench/main.ts', '--onyl', "Unknown option '--onyl'; the flags are --only, --repeats, --draw."],
  ['bench/study/main.ts', '--seed', "Unknown option '--seed'; the flags are --task, --methods, --seeds,"],
  ['bench/people/main.ts', 'random', "Unexpected argument 'random'"],
  ['test/faults/main.ts', '--run', "Unknown option '--run'; the flags are --runs,"],
])('%s %s', async (file, flag, sentence) => {
  const { code, said } = await script(file, flag);
  expect(said).toContain(`selm: ${sentence}`);
  expect(said.trim().split('\n')).toHaveLength(1);
  expect(code).toBe(2);
});

test.each([
  ['--repeats=none', 'selm: --repeats none is no count: give 1, 2, 3, ...\n'],
  ['--only=optimise', /^selm: --only: "optimise" is no case; choose among .+\.\n$/],
])('bench/main.ts %s', async (flag, sentence) => {
  const { code, said } = await script('bench/main.ts', flag);
  expect(said).toMatch(sentence);
  expect(code).toBe(2);
});
