/** File operations of the artifact store. They distinguish file system errors from missing files. */
import { open, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import pRetry from 'p-retry';
import { inTurns } from '../data/in-turns.ts';
import { StoreFailed } from './errors.ts';
import { hashFile } from './hash.ts';
import type { ManifestFile } from './manifest.ts';

/** Error codes of a file or folder that does not exist: no such name, or its parent is a file. */
const ABSENT = ['ENOENT', 'ENOTDIR'];

/** The result of `work`; undefined if the file or folder does not exist. @throws StoreFailed for other errors */
export async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (ABSENT.includes((error as NodeJS.ErrnoException).code!)) return undefined;
    throw storeFailure(error);
  }
}

/**
 * Retries `work` for about a minute while the file system fails. Used for storing a step's result, since recomputing the step
 * may take hours, or cost money if a server sampled.
 * @throws StoreFailed after all attempts. ENOENT and errors of other kinds are thrown without a retry.
 */
export function patiently<T>(work: () => Promise<T>): Promise<T> {
  return pRetry(work, { retries: 8, minTimeout: 200, shouldRetry: ({ error }) => isFileSystemError(error) }).catch(
    (error: unknown) => {
      throw storeFailure(error);
    },
  );
}

/** Errors of system calls except ENOENT, which means that the file does not exist. */
const isFileSystemError = ({ syscall, code }: NodeJS.ErrnoException) => syscall !== undefined && code !== 'ENOENT';

/** Converts a file system error to a StoreFailed; returns other errors unchanged. */
function storeFailure(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || !isFileSystemError(error)) return error;
  return new StoreFailed(`The artifact store cannot use its files (${message}).`, { cause: error, code });
}

/** Interval between touches: one hour. */
const TOUCH_MILLISECONDS = 3600_000;

/** Sets the modification time of a folder to now. */
async function touch(folder: string): Promise<void> {
  const now = new Date();
  // A failure only makes the folder look older; the work continues.
  await utimes(folder, now, now).catch(() => {});
}

/** Touches folders every hour while `work` runs, so that they do not look abandoned. */
export async function whileTouched<T>(folders: string[], work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => void Promise.all(folders.map(touch)), TOUCH_MILLISECONDS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/**
 * All files below a folder with their hashes, ordered by path and flushed to the disk. Hidden files, which operating systems
 * create (.nfs…, .DS_Store), are excluded.
 */
export async function listFiles(folder: string): Promise<ManifestFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const isHidden = (path: string) =>
    relative(folder, path)
      .split(sep)
      .some((part) => part.startsWith('.'));
  return inTurns(paths.filter((path) => !isHidden(path)).sort(), async (path) => {
    const handle = await open(path, 'r');
    await handle.sync().finally(() => handle.close());
    return { path: relative(folder, path), size: (await stat(path)).size, sha256: await hashFile(path) };
  });
}

/** Last modification time of a file, or of anything in a folder; undefined if it does not exist. */
export async function lastChange(path: string): Promise<Date | undefined> {
  const own = await unlessAbsent(stat(path));
  if (!own) return undefined;
  const files = own.isDirectory() ? await unlessAbsent(readdir(path, { recursive: true })) : [];
  if (!files) return undefined;
  const found = await inTurns(files, (file) => unlessAbsent(stat(join(path, file))));
  return new Date(Math.max(...[own, ...found].map((entry) => entry?.mtimeMs ?? 0)));
}

/** The size of the files in a folder, without those that are removed meanwhile. */
export async function bytesIn(folder: string): Promise<number> {
  const files = (await unlessAbsent(readdir(folder, { recursive: true }))) ?? [];
  const found = await inTurns(files, (file) => unlessAbsent(stat(join(folder, file))));
  return found.reduce((sum, entry) => sum + (entry?.isFile() ? entry.size : 0), 0);
}

/** Size of the file that checkSpace() writes. */
const NEEDED_BYTES = 2 ** 20;

/** Writes and removes a file of 1 MiB, so that a full disk fails a step before its computation. */
export async function checkSpace(folder: string): Promise<void> {
  const file = join(folder, 'space');
  await writeFile(file, new Uint8Array(NEEDED_BYTES), { flush: true });
  await rm(file);
}

/** Moves a folder, unless the target exists. @returns whether it was moved */
export async function moveUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
    return false;
  }
}

/** Writes a text file and flushes it to the disk. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flush: true });
}
