/** Locks on files, held by the kernel for a process: they end with it, however it ends. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { InputError } from '../data/errors.ts';

const POLL_MILLISECONDS = 50;

/** @throws InputError, from all of its functions, where the file cannot be opened for writing or cannot be locked */
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
    let fd: number | undefined;
    try {
      fd = openSync(file, 'a+');
      if (tryLock(fd, { shared })) return new FileLock(fd);
    } catch (error) {
      const { message } = error as Error;
      if (fd === undefined)
        throw new InputError(
          `${file} cannot be opened (${message}): correct its permissions, or set SELM_HOME to another folder.`,
        );
      closeSync(fd);
      throw new InputError(
        `${file} cannot be locked (${message}): set SELM_HOME to a folder on a file system that supports locks, such as a local disk.`,
      );
    }
    closeSync(fd);
    return undefined;
  }

  /** Processes that have inherited it keep it. */
  release(): void {
    closeSync(this.fd);
  }
}
