/** Random choices for composing prompts. */
import { uniformStream } from '../../data/random.ts';

/** Draws from a stream of random numbers that its key determines. */
export class Random {
  private readonly next: () => number;

  constructor(...key: (string | number)[]) {
    this.next = uniformStream(...key);
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the values. */
  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)];
  }

  /** `count` different values in random order, or all if there are fewer. */
  sample<T>(values: readonly T[], count: number): T[] {
    const left = [...values];
    return Array.from(
      { length: Math.min(count, left.length) },
      () => left.splice(this.integer(0, left.length - 1), 1)[0],
    );
  }
}
