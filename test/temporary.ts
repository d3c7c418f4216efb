/** Folders for the files of tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A new folder, removed after the test file that asks for it (or after its `describe`). */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'selm-test-'));
  // A server that was told to end may still write a file or two.
  afterAll(() => rmSync(folder, { recursive: true, maxRetries: 20, retryDelay: 250 }));
  return folder;
}
