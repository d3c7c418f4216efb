/** Locks on files, held by the kernel for a process: they end with it, however it ends. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock, tryUpgradeLock } from 'fs-native-extensions';

const POLL_MILLISECONDS = 50;

export class FileLock {
  /** A process that inherits it holds the lock, too. */
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** @returns none where another process holds it */
  static tryExclusive(file: string): FileLock | undefined {
    return FileLock.try(file, false);
  }

  /** Held together with others. Waits for one that holds it exclusively. */
  static async shared(file: string): Promise<FileLock> {
    for (;;) {
      const lock = FileLock.try(file, true);
      if (lock) return lock;
      await sleep(POLL_MILLISECONDS);
    }
  }

  static isHeld(file: string): boolean {
    const lock = FileLock.tryExclusive(file);
    lock?.release();
    return !lock;
  }

  private static try(file: string, shared: boolean): FileLock | undefined {
    const fd = openSync(file, 'a+');
    if (tryLock(fd, { shared })) return new FileLock(fd);
    closeSync(fd);
    return undefined;
  }

  /** Makes a shared lock exclusive. @returns false where others share it */
  tryUpgrade(): boolean {
    return tryUpgradeLock(this.fd);
  }

  /** Processes that have inherited it keep it. */
  release(): void {
    closeSync(this.fd);
  }
}
