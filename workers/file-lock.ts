/** File locks. The kernel releases them when a process ends, even if it is killed. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { InputError } from '../data/errors.ts';

const POLL_MILLISECONDS = 50;

/** A lock on a file. All functions throw InputError when the file cannot be opened for writing or cannot be locked. */
export class FileLock {
  /** The file descriptor. A process that inherits it also holds the lock. */
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Tries to lock exclusively. @returns undefined if another process holds the lock */
  static tryExclusive(file: string): FileLock | undefined {
    return FileLock.try(file, false);
  }

  /** Takes a shared lock. Waits for a process that holds it exclusively. */
  static shared(file: string): Promise<FileLock> {
    return FileLock.wait(file, true);
  }

  /** Locks exclusively. Waits for other processes that hold it. */
  static exclusive(file: string): Promise<FileLock> {
    return FileLock.wait(file, false);
  }

  static isHeld(file: string): boolean {
    const lock = FileLock.tryExclusive(file);
    lock?.release();
    return !lock;
  }

  private static async wait(file: string, shared: boolean): Promise<FileLock> {
    for (;;) {
      const lock = FileLock.try(file, shared);
      if (lock) return lock;
      await sleep(POLL_MILLISECONDS);
    }
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

  /** Releases this process's lock. Processes that inherited it keep theirs. */
  release(): void {
    closeSync(this.fd);
  }
}
