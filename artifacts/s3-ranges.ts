/** Downloads an object by several ranged reads at once: one connection to S3 gives 40-90 MB/s, a machine's network a hundred times that. */
import { setMaxListeners } from 'node:events';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';

/** Bytes per read: the parts that objects are uploaded in, which S3 reads fastest. */
const PART_BYTES = 16 * 2 ** 20;
/** Concurrent reads. Their bodies are written as they arrive, so a download uses little memory. */
const READS_AT_ONCE = 16;
/** Attempts per part, if its body is cut off. */
const ATTEMPTS = 6;
/** If a part receives this many bytes after an error, its number of attempts is reset. */
const PROGRESS_BYTES = 2 ** 20;

type Answer = Pick<GetObjectCommandOutput, 'Body' | 'ContentLength' | 'ContentRange'>;
/** Requests a range of an object, such as `bytes=0-99`. Undefined if the object does not exist. */
type Read = (range: string, signal: AbortSignal) => Promise<Answer | undefined>;

/**
 * Writes an object into a file. A part whose body is cut off continues from there. The caller checks the file's hash.
 * @param failure converts an error of a body to the error that is thrown after all attempts
 * @returns whether the object exists
 */
export async function downloadRanges(read: Read, file: string, failure: (error: unknown) => Error): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true });
  const target = await open(file, 'w');
  const stop = new AbortController();
  // All parts listen to one signal: many listeners are no leak.
  setMaxListeners(0, stop.signal);
  const part = (start: number, end: number) =>
    readPart((range) => read(range, stop.signal), target, [start, end], failure);
  try {
    // The first part's answer says how large the object is.
    const size = await part(0, PART_BYTES);
    if (size === undefined) return false;
    const count = Math.ceil(size / PART_BYTES);
    const starts = Array.from({ length: Math.max(0, count - 1) }, (_, i) => (i + 1) * PART_BYTES);
    const limit = pLimit(READS_AT_ONCE);
    const parts = starts.map((start) =>
      limit(async () => {
        stop.signal.throwIfAborted();
        return part(start, Math.min(start + PART_BYTES, size));
      }),
    );
    try {
      return (await Promise.all(parts)).every((found) => found !== undefined);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(parts);
      throw error;
    }
  } finally {
    await target.close();
  }
}

/** Writes the bytes from `start` to before `end` at their place in the file. @returns the object's size; undefined if it does not exist */
async function readPart(
  read: (range: string) => Promise<Answer | undefined>,
  target: FileHandle,
  [start, end]: [start: number, end: number],
  failure: (error: unknown) => Error,
): Promise<number | undefined> {
  let [at, attempt, brokeAt] = [start, 0, start];
  // A loop instead of p-retry, which cannot reset its attempts after progress.
  for (;;) {
    const found = await read(`bytes=${at}-${end - 1}`);
    if (!found) return undefined;
    const size = Number(found.ContentRange?.split('/')[1] ?? found.ContentLength);
    const last = Math.min(end, size);
    let written = Promise.resolve<unknown>(undefined);
    try {
      for await (const chunk of (found.Body as Readable | undefined) ?? []) {
        await (written = target.write(chunk as Buffer, 0, undefined, at));
        at += (chunk as Buffer).length;
      }
      return size;
    } catch (error) {
      // Throws if the write failed: a full disk is not a network error.
      await written;
      if (at === last) return size;
      if (at - brokeAt >= PROGRESS_BYTES) attempt = 0;
      brokeAt = at;
      if (++attempt === ATTEMPTS) throw failure(error);
      await sleep(100 * 2 ** attempt);
    }
  }
}
