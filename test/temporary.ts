/** Folders for the files of tests. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { removeUsedFolder } from './remove-folder.ts';

/** A new folder, removed after the test file that asks for it (or after its `describe`). */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'selm-test-'));
  afterAll(() => removeUsedFolder(folder));
  return folder;
}
