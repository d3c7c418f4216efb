/** Sessions kept open between jobs: opening one costs seconds, and consecutive jobs mostly run the same policy. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

interface Closable {
  close(): Promise<void>;
}

/** Keeps the last opened thing of each kind; another key of a kind closes the one before it. */
export class SessionCache {
  private readonly open = new Map<string, { key: string; value: Closable }>();

  async get<T extends Closable>(kind: string, key: string, create: () => Promise<T>): Promise<T> {
    // No variable keeps what is dropped alive while its successor is made.
    if (this.open.get(kind)?.key === key) return this.open.get(kind)!.value as T;
    await this.drop(kind);
    const value = await create();
    this.open.set(kind, { key, value });
    return value;
  }

  async clear(): Promise<void> {
    for (const kind of this.open.keys()) await this.drop(kind);
  }

  private async drop(kind: string): Promise<void> {
    const current = this.open.get(kind);
    this.open.delete(kind);
    await current?.value.close();
  }
}

setFlagsFromString('--expose-gc');

/** Frees now what closed sessions held in JavaScript's memory, weights say: by itself it would be freed some time later. */
export const collectGarbage = runInNewContext('gc') as () => void;
