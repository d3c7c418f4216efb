import { statSync, utimesSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { markUsed, whileUsed } from '../../data/in-use.ts';
import { temporaryFolder } from '../temporary.ts';

test('nothing is marked after the work has ended, not even by a marking under way', async () => {
  const folder = temporaryFolder();
  const paths = Array.from({ length: 1000 }, (_, i) => join(folder, String(i)));
  const [first, last] = [paths[0]!, paths.at(-1)!];
  const longAgo = new Date('2020-01-01');
  const forget = (path: string) => utimesSync(path, longAgo, longAgo);
  paths.forEach((path) => writeFileSync(path, ''));
  await whileUsed(async () => {
    await Promise.all(paths.map(markUsed));
    forget(first);
    while (statSync(first).mtime.getTime() === longAgo.getTime()) await setImmediate();
  }, 1);
  // The first file has been marked again, and all others are about to be.
  forget(last);
  // Node's threads read these only after all markings that were asked for before.
  await Promise.all(paths.map((path) => stat(path)));
  expect((await stat(last)).mtime).toEqual(longAgo);
});
