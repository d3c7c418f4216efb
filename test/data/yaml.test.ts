/** YAML texts that are not valid configurations. */
import { expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { parseYaml } from '../../data/yaml.ts';

test.each([
  ['a list that is in itself', 'a: &a [*a]', 'nested more than 256 levels'],
  ['lists in lists', `a: ${'['.repeat(300)}${']'.repeat(300)}`, 'nested more than 256 levels'],
  ['more lists in lists than the stack holds', '['.repeat(100_000), 'nested more than 256 levels'],
  ['a tag that is not known', 'a: !!python/object x', 'Unresolved tag'],
  ['a key that stands twice', 'a: 1\na: 2', 'unique'],
  [
    'so many mistakes that a line for each would take hours',
    `a: [${'{% if 1 %}'.repeat(20_000)}]`,
    'at line 1, column 6',
  ],
  ['two documents', 'a: 1\n---\nb: 2', 'not YAML'],
  [
    'aliases of aliases',
    `a: &a [1,2,3,4,5,6,7,8,9]\n${[...'bcdefgh'].map((name, i) => `${name}: &${name} [${`*${'abcdefg'[i]},`.repeat(9)}]`).join('\n')}`,
    'not YAML',
  ],
])('%s is refused', (_, text, problem) => {
  expect(() => parseYaml(text, 'run.yaml')).toThrow(InputError);
  expect(() => parseYaml(text, 'run.yaml')).toThrow(/^run\.yaml is [^\n]+\.$/);
  expect(() => parseYaml(text, 'run.yaml')).toThrow(problem);
});

test('an alias of another place is its value', () => {
  expect(parseYaml('a: &a {x: [1]}\nb: *a', 'run.yaml')).toEqual({ a: { x: [1] }, b: { x: [1] } });
});
