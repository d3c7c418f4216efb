/** JSON that is JSON, with a value somewhere that does not belong there. */
import type { Random } from './random.ts';

/** Stands for what is written in its place: values that are too deep for JSON.stringify(), and what no value can be. */
const MARK = '@fuzz@';
const RAW = [
  '1e999',
  '9007199254740993',
  '"\\ud800"',
  '"\\u0000"',
  '"\\u001b[31m"',
  '[1,',
  ...[300, 5000, 100_000].flatMap((depth) => [
    `${'['.repeat(depth)}${']'.repeat(depth)}`,
    `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
  ]),
  `"${'x'.repeat(100_000)}"`,
  `[${'0,'.repeat(100_000)}0]`,
  `{"__proto__":{"polluted":1}}`,
];
const VALUES: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  0.5,
  1e308,
  2 ** 31,
  2 ** 53,
  1e8,
  '',
  ' ',
  'x',
  '7',
  'null',
  '../../x',
  '/etc/passwd',
  '\n',
  '\ufeff',
  '💥',
  '__proto__',
  'constructor',
  '(',
  '(a+)+$',
  '{{ x }}',
  [],
  [null],
  [[]],
  [0],
  ['x'],
  {},
  { a: 1 },
  { __proto__: null, toString: 1 },
];

/** @param isLines whether the text is JSON Lines, of which one line is changed */
export function withWrongValue(text: string, isLines: boolean, random: Random): string {
  if (!isLines) return changed(text, random);
  const lines = text.split('\n');
  const at = random.below(lines.length);
  return lines.with(at, changed(lines[at], random)).join('\n');
}

function changed(text: string, random: Random): string {
  let root: { value: unknown };
  try {
    root = { value: JSON.parse(text) };
  } catch {
    return text;
  }
  const places: [holder: object, key: string][] = [];
  collect(root, places, 0);
  const [holder, key] = random.of(places) as [Record<string, unknown>, string];
  const change = random.below(6);
  if (change === 0 && holder !== root && !Array.isArray(holder)) delete holder[key];
  else if (change === 1) holder[key] = [holder[key]];
  else if (change === 2 && !Array.isArray(holder))
    holder[random.of(['', '__proto__', 'x', `${key}_`, 'toString'])] = holder[key];
  else if (change === 3) holder[key] = MARK;
  else holder[key] = random.of(VALUES);
  try {
    return JSON.stringify(root.value)?.replace(`"${MARK}"`, () => random.of(RAW)) ?? 'null';
  } catch {
    // Too deep, by an earlier change.
    return text;
  }
}

const DEEPEST = 50;

/** Every place of a value, by what holds it. */
function collect(value: object, places: [object, string][], depth: number): void {
  for (const [key, inner] of Object.entries(value)) {
    places.push([value, key]);
    if (typeof inner === 'object' && inner !== null && depth < DEEPEST) collect(inner as object, places, depth + 1);
  }
}
