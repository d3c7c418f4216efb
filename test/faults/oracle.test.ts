/** The oracle notices what it is there for. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { stepKey, type Recipe } from '../../artifacts/manifest.ts';
import { temporaryFolder } from '../temporary.ts';
import { StoreOracle } from './oracle.ts';

const folder = temporaryFolder();
let root: string;
let store: LocalStore;
let oracle: StoreOracle;
let [input, address] = ['', ''];

const recipeOf = (seed: number, from: string[] = []): Recipe => ({
  step: 'write',
  parameters: { b: [1, { d: null, c: 'x' }] },
  inputs: { from },
  seed,
  engineVersion: '1',
});
const make = (seed: number, from: string[] = []) =>
  store.create('text', recipeOf(seed, from), async (target) => writeFileSync(join(target, 'text'), `text ${seed}`));
const forget = (seed: number, from?: string[]) => rmSync(join(root, 'steps', stepKey(recipeOf(seed, from))));
const nothing = new Set<string>();

beforeEach(async ({ task }) => {
  root = join(folder, task.id);
  store = new LocalStore(root, () => {});
  oracle = new StoreOracle(root);
  input = await make(1);
  address = await make(2, [input]);
});

test('it follows names and keys to inputs, and no further', async () => {
  await store.publishName('poet', address);
  // Reached by the name, as its input is.
  forget(1);
  forget(2, [input]);
  await make(3);
  forget(3);
  oracle.note();
  expect([oracle.count, oracle.losses(nothing)]).toEqual([2, []]);
});

test.each([
  ['is removed', (target: string) => rmSync(target, { recursive: true }), 'is gone or changed'],
  ['loses a file', (target: string) => rmSync(join(target, 'text')), 'is gone or changed'],
  ['has a file altered', (target: string) => writeFileSync(join(target, 'text'), 'text 9'), 'is gone or changed'],
  [
    'has its manifest altered',
    (target: string) => writeFileSync(join(target, 'manifest.json'), '{}'),
    'is gone or changed',
  ],
])('an artifact that %s is lost, unless a fault has damaged it', async (_, damage, said) => {
  oracle.note();
  damage(join(root, 'objects', input));
  oracle.note();
  expect(oracle.losses(nothing)).toEqual([`text ${input.slice(0, 12)} ${said}`]);
  expect(oracle.losses(new Set([input]))).toEqual([]);
});

test('so is one that was removed and made again, to the same bytes', async () => {
  oracle.note();
  renameSync(join(root, 'objects', input), join(root, 'aside'));
  expect(await make(1)).toBe(input);
  expect(oracle.losses(nothing)).toEqual([`text ${input.slice(0, 12)} was removed and made again`]);
});
