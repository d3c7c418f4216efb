/** Keeps sessions open between jobs: opening one takes seconds, and consecutive jobs mostly use the same policy. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

interface Closable {
  close(): Promise<void>;
}

/** Keeps the most recent session of each kind. Another key of the same kind closes it. */
export class SessionCache {
  private readonly open = new Map<string, { key: string; value: Closable }>();

  async get<T extends Closable>(kind: string, key: string, create: () => Promise<T>): Promise<T> {
    // No variable holds the old value while the new one is created: both would be in memory.
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

/** Runs V8's garbage collector now, which frees what closed sessions held, such as weights. */
export const collectGarbage = runInNewContext('gc') as () => void;
