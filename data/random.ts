/** Random numbers that belong to their purpose: a hash of what they are for, not a state that others advance. */
import { createHash } from 'node:crypto';

/** What a random number is for: a seed and whatever tells it from the others of that seed. */
export type RandomKey = (string | number)[];

/** A number in [0, 1) with 53 random bits: SHA-256 of the key, so independent over keys and the same on every machine. */
export function uniform(...key: RandomKey): number {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest();
  return Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53;
}

/** A seed for a generator that is not ours, which takes non-negative integers of 31 bits. */
export const seedOf = (...key: RandomKey): number => Math.floor(uniform(...key) * 2 ** 31);

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/** A stream of numbers in [0, 1) for one key, for when many are drawn: xoshiro128** seeded by the key's hash. */
export function uniformStream(...key: RandomKey): () => number {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest();
  let [a, b, c, d] = [0, 4, 8, 12].map((offset) => digest.readUInt32BE(offset));
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result / 2 ** 32;
  };
}

/** The values in an order drawn from the key (Fisher and Yates). */
export function shuffled<T>(values: T[], ...key: RandomKey): T[] {
  const next = uniformStream(...key);
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
