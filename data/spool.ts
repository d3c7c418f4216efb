/** A temporary file for records that may not fit into memory. They can be read in any order. */
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';

/** Bytes per write. */
const BUFFER_BYTES = 1 << 20;

/** A list of records in a temporary file. */
export class Spool<T extends object> {
  /** Byte offset of each record, and of the end of the last one. */
  private readonly starts = [0];
  private waiting: Buffer[] = [];
  private written = 0;

  private readonly file: number;

  /** @param folder for the file, which is unlinked immediately, so that it is removed when the process ends */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `spool-${randomUUID()}`);
    this.file = openSync(path, 'wx+');
    rmSync(path);
  }

  /** Appends a record. Records are written in blocks of BUFFER_BYTES. */
  add(record: T): void {
    const bytes = Buffer.from(JSON.stringify(record));
    this.waiting.push(bytes);
    this.starts.push(this.starts.at(-1)! + bytes.length);
    if (this.starts.at(-1)! - this.written >= BUFFER_BYTES) this.flush();
  }

  /** Writes the buffered records to the file. */
  private flush(): void {
    const bytes = Buffer.concat(this.waiting);
    for (let at = 0; at < bytes.length;) at += writeSync(this.file, bytes, at, bytes.length - at, this.written + at);
    this.written += bytes.length;
    this.waiting = [];
  }

  /** The records with these indices, one by one. */
  *read(indices: Iterable<number>): Generator<T> {
    this.flush();
    for (const index of indices) {
      const [start, end] = [this.starts[index], this.starts[index + 1]];
      const bytes = Buffer.alloc(end - start);
      readSync(this.file, bytes, 0, bytes.length, start);
      yield JSON.parse(bytes.toString('utf8')) as T;
    }
  }

  /** Closes the file, which removes it from the disk. */
  close(): void {
    closeSync(this.file);
  }
}
