/** The folder of a step's result, into which writing is retried. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { patiently } from '../artifacts/files.ts';
import { writeJsonl } from '../data/jsonl.ts';

/**
 * The folder that becomes a step's artifact. All methods retry for about a minute while the file system fails, because a retry of the
 * step might compute for hours, or pay a server again. After that, they throw StoreFailed (`patiently`).
 */
export class StepFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Writes a JSON Lines file.
   * @param rows all rows, or a function that begins with the first row in each call: it is called again if writing fails
   */
  writeRows(name: string, rows: readonly object[] | (() => Iterable<object> | AsyncIterable<object>)): Promise<void> {
    return patiently(() => writeJsonl(join(this.path, name), typeof rows === 'function' ? rows() : rows));
  }

  writeText(name: string, text: string): Promise<void> {
    return patiently(() => writeFile(join(this.path, name), text));
  }

  readText(name: string): Promise<string> {
    return patiently(() => readFile(join(this.path, name), 'utf8'));
  }

  /** Copies a file or a folder. Symbolic links, as in the cache of the hub, become the files that they point to. */
  copy(source: string, name: string): Promise<void> {
    return patiently(() => cp(source, join(this.path, name), { recursive: true, dereference: true }));
  }
}
