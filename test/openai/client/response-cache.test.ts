/** The cache of servers' responses: used by several processes, with damaged files, and in a folder that cannot be written. */
import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { AnswerCache } from '../../../openai/client/response-cache.ts';
import { temporaryFolder } from '../../temporary.ts';

const folder = temporaryFolder();
const said = (text: string) => ({ text, finishReason: 'stop', usage: { promptTokens: 1, completionTokens: 1 } });

test('of two answers to the same question the first in the cache is everybody’s, and a spoiled one is asked for again', async () => {
  const place = join(folder, 'answers');
  const request = { model: 'm' };
  const [one, two] = [1, 2].map((n) => ({ cache: new AnswerCache(place), answer: said(`${n}`) }));
  let late!: () => void;
  const both = [
    one.cache.answer(request, () => new Promise((resolve) => (late = () => resolve(one.answer)))),
    two.cache.answer(request, async () => two.answer),
  ];
  expect(await both[1]).toEqual(two.answer);
  late();
  expect(await both[0]).toEqual(two.answer);
  const [shelf] = execFileSync('find', [place, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n');
  writeFileSync(shelf, '{"request": {');
  expect(await one.cache.answer(request, async () => said('3'))).toEqual(said('3'));
});

test('an answer that cannot be kept is used all the same, and said so once: it is not paid for twice', async () => {
  const place = join(folder, 'unwritable');
  // A dangling link: it reads as an empty folder, and no file can be created in it.
  symlinkSync(join(folder, 'nowhere', 'below'), place);
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const cache = new AnswerCache(place);
  for (const question of ['a', 'b'])
    expect(await cache.answer({ question }, async () => said(question))).toEqual(said(question));
  expect(warn.mock.calls).toEqual([
    [expect.stringMatching(/^Responses of servers are not cached in .*unwritable: E[A-Z]+: /)],
  ]);
  warn.mockRestore();
});
