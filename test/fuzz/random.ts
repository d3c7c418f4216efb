/** Random choices of a seed. */
import { uniformStream } from '../../data/random.ts';

export class Random {
  private readonly next: () => number;

  /** @param name tells streams of the same seed apart */
  constructor(seed: number, name: string) {
    this.next = uniformStream(seed, 'fuzz', name);
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }
}
