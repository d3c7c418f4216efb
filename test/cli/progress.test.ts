/** Progress on a terminal: a process whose standard error is one, made by util-linux's `script`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { progressLine, showProgress } from '../../cli/progress.ts';
import { temporaryFolder } from '../temporary.ts';

const progress = fileURLToPath(new URL('../../cli/progress.ts', import.meta.url));
const show = `import { showProgress } from ${JSON.stringify(progress)};
const bar = showProgress('sample');
bar.update({ done: 1, total: 4, unit: 'prompts', tokens: 1000 });
bar.stop();
console.error('end');`;

async function onTerminal(code: string): Promise<string> {
  const module = join(temporaryFolder(), 'show.mts');
  writeFileSync(module, code);
  const command = `stty rows 24 columns 100 && ${process.execPath} --import tsx ${module}`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await once(child, 'close');
  return output;
}

test('a terminal shows one line, which is erased at the end', async () => {
  const output = await onTerminal(show);
  expect(stripVTControlCharacters(output)).toMatch(
    /^sample {5}#{8}-{22} {2}1\/4 prompts {2}[\d,]+ tok\/s {2}ETA \d+:\d\d/,
  );
  const [, end] = output.split('1/4');
  // The line is erased before the next output.
  const erased = end.indexOf('\u001b[2K');
  expect(erased).toBeGreaterThan(0);
  expect(end.indexOf('end')).toBeGreaterThan(erased);
});

test('a file shows nothing', () => {
  expect(process.stderr.isTTY).toBeFalsy();
  const bar = showProgress('sample');
  bar.update({ done: 1, total: 4, unit: 'prompts', tokens: 1000 });
  bar.stop();
});

test('a line has what is done, the speed, the time left, and the loss of training', () => {
  const steps = { done: 30, total: 120, unit: 'steps' as const, tokens: 45_000 };
  const metrics = { loss: 0.69314 } as NonNullable<Parameters<typeof progressLine>[1]['metrics']>;
  expect(progressLine('train', { ...steps, metrics }, 30)).toBe(
    'train      ########----------------------  30/120 steps  1,500 tok/s  ETA 1:30  loss 0.6931',
  );
  expect(progressLine('train', { ...steps, done: 0, tokens: 0 }, 1)).toBe(
    `train      ${'-'.repeat(30)}  0/120 steps  0 tok/s`,
  );
});
