/**
 * Folders in TMPDIR for the rendezvous of ranks and the files of their jobs. The process that uses one holds a lock in it, which the
 * kernel releases when the process ends. A killed process cannot remove its folder: the next one does.
 */
import { closeSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';

const PREFIX = 'selm-torch-';
/** Until it is locked, a folder has another name, so that nobody takes it for one whose process has ended. */
const UNLOCKED_PREFIX = 'selm-torch.';
const LOCK = 'lock';

/** A folder of this process. */
export class ScratchFolder {
  readonly path: string;
  private lock: number | undefined;

  /** Also removes the folders of processes that were killed. */
  constructor() {
    removeAbandoned();
    const unlocked = mkdtempSync(join(tmpdir(), UNLOCKED_PREFIX));
    this.lock = openSync(join(unlocked, LOCK), 'a+');
    lockIfPossible(this.lock);
    this.path = join(tmpdir(), PREFIX + unlocked.slice(unlocked.lastIndexOf('.') + 1));
    renameSync(unlocked, this.path);
  }

  /** May be called again. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
    if (this.lock !== undefined) closeSync(this.lock);
    this.lock = undefined;
  }
}

/** Removes what nobody uses. What this user cannot open, or what has no lock, is left alone. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name);
    let lock: number;
    try {
      lock = openSync(join(folder, LOCK), 'r+');
    } catch {
      continue;
    }
    try {
      if (lockIfPossible(lock)) rmSync(folder, { recursive: true, force: true });
    } catch {
      // It stays for the next process.
    } finally {
      closeSync(lock);
    }
  }
}

/** @returns false if another process has locked it, or on a file system without locks, where folders of killed processes stay */
function lockIfPossible(fd: number): boolean {
  try {
    return tryLock(fd);
  } catch {
    return false;
  }
}
