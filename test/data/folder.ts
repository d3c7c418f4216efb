/** A temporary folder for one test file, removed after its tests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export const folder = mkdtempSync(join(tmpdir(), 'selm-data-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the lines to a file of the folder, objects as JSON; returns its path. */
export function fileOf(name: string, ...lines: (string | object)[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
}
