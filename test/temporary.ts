/** Folders for the files of tests. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { removeUsedFolder } from './remove-folder.ts';

const folders: string[] = [];

// Of the file, since a hook that is added while a test runs is never called. The first one of a file is the last to be called.
afterAll(async () => {
  for (const folder of folders) await removeUsedFolder(folder);
});

/** A new folder, removed after the last test of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'selm-test-'));
  folders.push(folder);
  return folder;
}
