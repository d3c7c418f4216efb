import { rm } from 'node:fs/promises';

/** Removes a folder in which a process that was told to end may still write a file or two. */
export function removeUsedFolder(folder: string): Promise<void> {
  // Not rmSync: it lists a folder once, and then fails on a file that was written since.
  return rm(folder, { recursive: true, maxRetries: 10, retryDelay: 100 });
}
