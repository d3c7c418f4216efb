/** A block of keys and values holds what was appended to its rows while rows are added, moved and removed. */
import { expect, test } from 'vitest';
import { CacheBlock } from '../../../../engine/onnx/generation/cache.ts';
import { uniformStream } from '../../../../data/random.ts';
import { float32 } from '../../../../engine/onnx/session.ts';

const [HEADS, WIDTH] = [2, 3];
const NAMES = ['key', 'value'];
const config = { kvHeads: HEADS, headDim: WIDTH };

/** A token's numbers encode tensor, token, head and index. */
const number = (tensor: number, token: number, head: number, i: number) =>
  ((tensor * 10_000 + token) * HEADS + head) * WIDTH + i;

/** Appends numbered tokens from one row of a run's output that has other rows too. */
function append(block: CacheBlock, row: number, tokens: number[], from: number): void {
  const length = from + tokens.length + 2;
  const [sourceRow, rows] = [1, 3];
  const source = new Map(
    NAMES.map((name, tensor) => {
      const data = new Float32Array(rows * HEADS * length * WIDTH).fill(-1);
      for (const [t, token] of tokens.entries()) {
        for (let head = 0; head < HEADS; head++) {
          const index = (sourceRow * HEADS + head) * length + from + t;
          for (let i = 0; i < WIDTH; i++) data[index * WIDTH + i] = number(tensor, token, head, i);
        }
      }
      return [name, float32(data, [rows, HEADS, length, WIDTH])];
    }),
  );
  block.append(row, (name) => source.get(name)!, sourceRow, length, tokens.length, from);
}

/** The tokens of each row that the mask shows, decoded from the feeds. */
function shown(block: CacheBlock): number[][] {
  const feeds = block.feeds();
  const [rows, , capacity] = feeds['key'].dims;
  const mask = feeds['mask'].data as Float32Array;
  return Array.from({ length: rows }, (_, row) => {
    const seen = Array.from({ length: capacity }, (_, t) => t).filter((t) => mask[row * capacity + t] === 0);
    return seen.map((t) => {
      const tokens = NAMES.flatMap((name, tensor) =>
        Array.from({ length: HEADS }, (_, head) => {
          const index = ((row * HEADS + head) * capacity + t) * WIDTH;
          const value = (feeds[name].data as Float32Array)[index];
          return (value - head * WIDTH) / (HEADS * WIDTH) - tensor * 10_000;
        }),
      );
      expect(new Set(tokens).size).toBe(1);
      return tokens[0];
    });
  });
}

test('rows are appended to, removed, replaced and added', () => {
  const next = uniformStream('cache');
  const upTo = (n: number) => Math.floor(next() * (n + 1));
  const block = new CacheBlock(config, NAMES, 'mask');
  let token = 0;
  let expected: number[][] = [];
  for (let run = 0; run < 120; run++) {
    const rows: (number | undefined)[] = [];
    for (const row of expected.keys()) {
      const fate = next();
      if (fate > 0.1) rows.push(fate > 0.2 ? row : undefined);
    }
    for (let fresh = upTo(2); fresh > 0 && rows.length < 9; fresh--) rows.push(undefined);
    expected = rows.map((row) => (row === undefined ? [] : expected[row]));
    const fresh = expected.map(() => Array.from({ length: upTo(40) }, () => token++ % 9973));
    block.arrange(rows, Math.max(0, ...expected.map((old, row) => old.length + fresh[row].length)));
    expect(shown(block)).toEqual(expected);
    for (const [row, tokens] of fresh.entries()) append(block, row, tokens, upTo(3));
    expected = expected.map((old, row) => [...old, ...fresh[row]]);
    expect(shown(block)).toEqual(expected);
    expect(block.lengths).toEqual(expected.map(({ length }) => length));
  }
});
