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
function append(block: CacheBlock, row: number, tokens: number[], samples: number, from: number): void {
  const length = from + tokens.length + 2;
  const rows = 2 * samples;
  const source = new Map(
    NAMES.map((name, tensor) => {
      const data = new Float32Array(rows * HEADS * length * WIDTH).fill(-1);
      for (const [t, token] of tokens.entries()) {
        for (let head = 0; head < HEADS; head++) {
          // [rows / samples, HEADS, samples, length, WIDTH], row 1 of prompt 1 or the only sample of it
          const sample = samples - 1;
          const index = ((HEADS + head) * samples + sample) * length + from + t;
          for (let i = 0; i < WIDTH; i++) data[index * WIDTH + i] = number(tensor, token, head, i);
        }
      }
      return [name, float32(data, [2, HEADS, samples, length, WIDTH])];
    }),
  );
  block.append(row, (name) => source.get(name)!, rows - 1, length, tokens.length, from);
}

/** The tokens of each row that the mask shows, decoded from the feeds. */
function shown(block: CacheBlock, samples: number): number[][] {
  const feeds = block.feeds();
  const [prompts, , , capacity] = feeds['key'].dims;
  const mask = feeds['mask'].data as Float32Array;
  return Array.from({ length: prompts * samples }, (_, row) => {
    const seen = Array.from({ length: capacity }, (_, t) => t).filter((t) => mask[row * capacity + t] === 0);
    const [prompt, sample] = [Math.floor(row / samples), row % samples];
    return seen.map((t) => {
      const tokens = NAMES.flatMap((name, tensor) =>
        Array.from({ length: HEADS }, (_, head) => {
          const index = (((prompt * HEADS + head) * samples + sample) * capacity + t) * WIDTH;
          const value = (feeds[name].data as Float32Array)[index];
          return (value - head * WIDTH) / (HEADS * WIDTH) - tensor * 10_000;
        }),
      );
      expect(new Set(tokens).size).toBe(1);
      return tokens[0];
    });
  });
}

test.each([1, 3])('with %d samples a prompt', (samples) => {
  const next = uniformStream(`cache ${samples}`);
  const upTo = (n: number) => Math.floor(next() * (n + 1));
  const block = new CacheBlock(config, NAMES, 'mask', samples);
  let [prompts, token] = [0, 0];
  let expected: number[][] = [];
  for (let run = 0; run < 60; run++) {
    // Some prompts are removed, some are replaced, and new ones are added at the end.
    const before: (number | undefined)[] = [];
    for (let prompt = 0; prompt < prompts; prompt++) {
      const fate = next();
      if (fate > 0.1) before.push(fate > 0.2 ? prompt : undefined);
    }
    for (let fresh = upTo(2); fresh > 0 && before.length < 6; fresh--) before.push(undefined);
    const rows = before.flatMap((prompt) =>
      Array.from({ length: samples }, (_, s) => (prompt === undefined ? prompt : prompt * samples + s)),
    );
    prompts = before.length;
    expected = rows.map((row) => (row === undefined ? [] : expected[row]));
    const fresh = expected.map(() => Array.from({ length: upTo(40) }, () => token++ % 9973));
    block.arrange(rows, Math.max(0, ...expected.map((old, row) => old.length + fresh[row].length)));
    expect(shown(block, samples)).toEqual(expected);
    for (const [row, tokens] of fresh.entries()) append(block, row, tokens, samples, upTo(3));
    expected = expected.map((old, row) => [...old, ...fresh[row]]);
    expect(shown(block, samples)).toEqual(expected);
    expect(block.lengths).toEqual(expected.map(({ length }) => length));
  }
});
