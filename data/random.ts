/** Random numbers as hashes of a key. There is no shared state, so one use never changes the numbers of another. */
import { createHash } from 'node:crypto';

/** The key of a random number: a seed, and values that distinguish the number from others with the same seed. */
type RandomKey = (string | number)[];

/** A number in [0, 1) with 53 random bits, from the SHA-256 of the key: independent between keys, the same on every machine. */
export function uniform(...key: RandomKey): number {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest();
  return Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53;
}

/** A seed for another program's generator: a non-negative integer of 31 bits. */
export const seedOf = (...key: RandomKey): number => Math.floor(uniform(...key) * 2 ** 31);

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/** A generator of many numbers in [0, 1) with 32 random bits for one key: xoshiro128**, seeded by the key's SHA-256. */
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

/** A copy of the values in random order (Fisher-Yates shuffle). */
export function shuffled<T>(values: T[], ...key: RandomKey): T[] {
  const next = uniformStream(...key);
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
