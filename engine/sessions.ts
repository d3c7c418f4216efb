/** Sessions kept open between jobs: opening one costs seconds, and consecutive jobs mostly run the same policy. */

interface Closable {
  close(): Promise<void>;
}

/** Keeps the last opened thing of each kind; another key of a kind closes the one before it. */
export class SessionCache {
  private readonly open = new Map<string, { key: string; value: Closable }>();

  async get<T extends Closable>(kind: string, key: string, create: () => Promise<T>): Promise<T> {
    const current = this.open.get(kind);
    if (current?.key === key) return current.value as T;
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
