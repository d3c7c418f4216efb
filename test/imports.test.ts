/** The structure of the project: folders import only from the folders below them, and there are no import cycles. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, it, test } from 'vitest';
import { circleIn, importedBy, importsOf, root, sourcesIn } from './imports.ts';

const folders = [
  'cli',
  'cdk',
  'web',
  'workers',
  'report',
  'workflows',
  'activities',
  'evaluation',
  'config',
  'labelers',
  'openai',
  'engine',
  'artifacts',
  'ports',
  'data',
];

/** The engine's own order. */
const engine = [
  'backends.ts',
  'onnx',
  'vllm',
  'torch',
  'estimate.ts',
  'gpus.ts',
  'training',
  'rankers',
  'tokens',
  'tokenizer',
  'model-files',
  'process',
  'protocol',
].map((name) => `engine/${name}`);

/** A backend's folder is imported by nothing: engine/backends.ts has its entry module's path. */
const backends = ['engine/onnx', 'engine/torch'];
/** What a backend needs on this machine, which others may look at before they start it. */
const environments = ['engine/torch/environment.ts', 'engine/torch/version.ts'];

const isIn = (file: string, place: string) => file === place || file.startsWith(`${place}/`);
const filesIn = (place: string) => (place.endsWith('.ts') ? [place] : sourcesIn(place));

/** Imports of `places[i]` from the places before it: `file imports file`. */
const upward = (places: string[], i: number) =>
  filesIn(places[i]).flatMap((file) =>
    importsOf(file)
      .filter((imported) => places.slice(0, i).some((above) => isIn(imported, above)))
      .map((imported) => `${file} imports ${imported}`),
  );

it('the images contain every folder', () => {
  const held = readFileSync(`${root}/.dockerignore`, 'utf8').split('\n');
  expect(folders.filter((folder) => !held.some((line) => line.startsWith(`!${folder}`)))).toEqual([]);
});

it.each([
  ["import x from './a.ts';"],
  ["import { x } from './a.ts';"],
  ["import {\n  x,\n  type Y,\n} from './a.ts';"],
  ["import * as x from './a.ts';"],
  ["import x, { y } from './a.ts';"],
  ["import type { X } from './a.ts';"],
  ["import './a.ts';"],
  ["export { x } from './a.ts';"],
  ["export * from './a.ts';"],
  ["export type { X } from './a.ts';"],
  ["const { x } = await import('./a.ts');"],
  ["const { x } = await import(\n  './a.ts'\n);"],
  ["type X = import('./a.ts').X;"],
  ["function f(x: typeof import('./a.ts')) {}"],
  ['import { x } from "./a.ts";'],
])('the test sees %j', (text) => {
  expect(importedBy(`import y from './first.ts';\nconst z = 1;\n${text}\n`)).toEqual(
    expect.arrayContaining(['./first.ts', './a.ts']),
  );
});

it.each(folders)('%s imports only from itself and from what is below it', (folder) => {
  expect(sourcesIn(folder).length).toBeGreaterThan(0);
  expect(upward(folders, folders.indexOf(folder))).toEqual([]);
});

it.each(engine)('%s imports only from itself and from what is below it', (part) => {
  expect(upward(engine, engine.indexOf(part))).toEqual([]);
});

it.each(backends)('nothing outside of %s imports from it', (backend) => {
  const others = folders.flatMap(sourcesIn).filter((file) => !isIn(file, backend));
  const found = others.flatMap((file) =>
    importsOf(file)
      .filter((imported) => isIn(imported, backend) && !environments.includes(imported))
      .map((imported) => `${file} imports ${imported}`),
  );
  expect(found).toEqual([]);
});

it('the protocol imports nothing but data/ and zod', () => {
  const imported = sourcesIn('engine/protocol').flatMap(importsOf);
  expect(imported.length).toBeGreaterThan(0);
  expect(imported.filter((name) => name !== 'zod' && !isIn(name, 'data') && !isIn(name, 'engine/protocol'))).toEqual(
    [],
  );
});

test('no files import each other in a circle, types included', () => {
  const files = [...folders, 'test', 'bench', 'examples', 'docs'].flatMap(sourcesIn);
  expect(circleIn(new Map(files.map((file) => [file, importsOf(file)])))).toBeUndefined();
});

test('a circle is found', () => {
  const straight = new Map([
    ['a', ['b', 'c']],
    ['b', ['c', 'zod']],
    ['c', []],
  ]);
  expect(circleIn(straight)).toBeUndefined();
  expect(circleIn(straight.set('c', ['d', 'b']))).toEqual(['b', 'c', 'b']);
});

/** The files and packages that a file loads when it is loaded: types are erased, and import() loads what it names later. */
const loadedBy = (file: string): string[] =>
  importedBy(
    readFileSync(`${root}/${file}`, 'utf8').replaceAll(/^(import|export) type\b[^;]*;|\bimport\s*\(/gm, ''),
  ).map((module) => (module.startsWith('.') ? posix.join(posix.dirname(file), module) : module));

/** All that is loaded with some files, themselves included. */
function loadedWith(...files: string[]): Set<string> {
  const loaded = new Set(files);
  for (const file of loaded) if (file.endsWith('.ts')) loadedBy(file).forEach((module) => loaded.add(module));
  return loaded;
}

it('commands load neither the worker nor the library for Parquet files, unless they need them', () => {
  const loaded = loadedWith(
    ...sourcesIn('cli').filter((file) => !['cli/commands/worker.ts', 'cli/commands.ts'].includes(file)),
  );
  expect(loaded).toContain('workers/local.ts');
  expect(loaded).toContain('@temporalio/client');
  for (const later of ['@temporalio/worker', 'hyparquet']) expect(loaded).not.toContain(later);
});

it('selm label does not load the charts of the web pages', () => {
  const loaded = loadedWith('cli/commands/label/label.ts');
  expect(loaded).toContain('cli/commands/label/by-people.ts');
  expect(loaded).not.toContain('web/app.ts');
});
