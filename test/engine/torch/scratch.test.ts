/** The folders of the torch backend in TMPDIR: those of killed processes are removed, and no others. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkModule } from '../../../engine/process/fork.ts';
import { ScratchFolder } from '../../../engine/torch/scratch.ts';
import { temporaryFolder } from '../../temporary.ts';

const before = process.env['TMPDIR'];
const temporary = temporaryFolder();
beforeAll(() => void (process.env['TMPDIR'] = temporary));
afterAll(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
});

const folders = () =>
  readdirSync(temporary)
    .filter((name) => name.startsWith('selm-torch'))
    .map((name) => join(temporary, name))
    .sort();

test('a folder is removed by its process, or by the next one if its process was killed', async () => {
  const other = forkModule(new URL('./scratch-parent.ts', import.meta.url), []);
  const [theirs] = (await once(other, 'message')) as [string];
  writeFileSync(join(theirs, 'rendezvous'), 'of ranks');
  // Of an earlier version, or of another program.
  const stray = join(temporary, 'selm-torch-stray');
  mkdirSync(stray);

  const own = new ScratchFolder();
  expect(existsSync(join(theirs, 'rendezvous'))).toBe(true);

  other.kill('SIGKILL');
  await once(other, 'exit');
  const next = new ScratchFolder();
  expect(existsSync(theirs)).toBe(false);
  expect(folders()).toEqual([own.path, next.path, stray].sort());

  own.remove();
  own.remove();
  next.remove();
  expect(folders()).toEqual([stray]);
});
