/** Streams of files on the hub, for a copy that needs no disk. */
import { setTimeout as sleep } from 'node:timers/promises';
import { downloadFile } from '@huggingface/hub';
import { HubFailed, InputError } from '../errors.ts';
import { checkedFetch, hubAccess, hubError } from './access.ts';
import { parseCommitId } from './ids.ts';
import type { HubFile } from './listing.ts';

/** Attempts without a byte in between. */
const ATTEMPTS = 6;

/**
 * The bytes of a file of a model's commit. After a broken connection, the download continues from there.
 * @param id `org/name@<commit>`
 * @throws HubFailed after ATTEMPTS without progress
 */
export async function* readHubFile(
  id: string,
  { path, size }: HubFile,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { repo, commit } = parseCommitId(id);
  const stoppable: typeof fetch = (request, init) => checkedFetch(request, { ...init, signal: signal ?? null });
  for (let at = 0, attempt = 1; at < size; attempt++) {
    try {
      // Without Xet, whose library assembles files in memory.
      const file = await downloadFile({ repo, path, revision: commit, xet: false, fetch: stoppable, ...hubAccess() });
      if (!file) throw new HubFailed(`The Hugging Face hub lists ${path} of model "${id}", but does not have it.`);
      for await (const chunk of file.slice(at, size).stream() as unknown as AsyncIterable<Uint8Array>) {
        at += chunk.length;
        attempt = 0;
        yield chunk;
      }
      if (at < size) throw new Error(`${path} ended after ${at} of ${size} bytes`);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof InputError) throw error;
      // A broken body is reported as a text.
      const failure = hubError(`${path} of model "${id}"`, error instanceof Error ? error : new Error(String(error)));
      if (failure instanceof InputError || attempt >= ATTEMPTS) throw failure;
      await sleep(200 * 2 ** attempt);
    }
  }
}
