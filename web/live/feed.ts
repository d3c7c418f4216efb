/** Reads the sections of a page repeatedly while somebody looks at it: once, however many browsers have it open. */
import { setTimeout as sleep } from 'node:timers/promises';
import { explain } from '../explain.ts';
import type { Snapshot } from './sections.ts';

/** A reading that takes long, such as that of a voting with many blocks, is followed by a pause this many times as long. */
const SHARE = 4;

/** Reads a snapshot once for all streams that show it. */
export class Feed {
  /** The page's path, for the log. */
  readonly path: string;
  readonly #read: () => Promise<Snapshot>;
  readonly #milliseconds: number;
  readonly #listeners = new Set<() => void>();
  /** Milliseconds of the last reading. */
  #took = 0;
  #reading?: Promise<Snapshot>;
  #polling?: Promise<void>;
  #snapshot?: Snapshot;
  #failure?: { message: string; sentence: string };

  /** @param seconds between two readings, at least */
  constructor(path: string, seconds: number, read: () => Promise<Snapshot>) {
    this.path = path;
    this.#read = read;
    this.#milliseconds = seconds * 1000;
  }

  /** Why the last reading failed: a sentence. The snapshot is then that of an earlier one. */
  get problem(): string | undefined {
    return this.#failure?.sentence;
  }

  /** The last snapshot. The first one is read now. @throws the error of reading it */
  async latest(): Promise<Snapshot> {
    const isCurrent = this.#polling !== undefined || this.#snapshot?.ended;
    return this.#snapshot && isCurrent ? this.#snapshot : await this.#look();
  }

  /** Calls `listener` after each reading. @returns a function that ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#polling ??= this.#poll().finally(() => (this.#polling = undefined));
    return () => void this.#listeners.delete(listener);
  }

  async #poll(): Promise<void> {
    while (this.#listeners.size > 0 && !this.#snapshot?.ended) {
      await sleep(Math.max(this.#milliseconds, SHARE * this.#took));
      if (this.#listeners.size === 0) return;
      try {
        await this.#look();
        this.#failure = undefined;
      } catch (error) {
        const { message } = error as Error;
        // Logged once, not at every reading.
        if (message !== this.#failure?.message) {
          const [, sentence] = explain(error as Error, this.path);
          this.#failure = { message, sentence };
        }
      }
      for (const listener of this.#listeners) listener();
    }
  }

  #look(): Promise<Snapshot> {
    const begin = performance.now();
    this.#reading ??= this.#read()
      .then((snapshot) => (this.#snapshot = snapshot))
      .finally(() => {
        this.#reading = undefined;
        this.#took = performance.now() - begin;
      });
    return this.#reading;
  }
}
