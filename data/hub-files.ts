/** The files of a model on the Hugging Face hub, for a copy that needs no disk. */
import { setTimeout as sleep } from 'node:timers/promises';
import { downloadFile, listFiles } from '@huggingface/hub';
import { HubFailed, InputError } from './errors.ts';
import { checkedFetch, checkListed, hubAccess, hubError } from './hub.ts';
import { isContained } from './paths.ts';

/** A file of a model's commit. The hub lists the SHA-256 of large files only (Git LFS). */
export interface HubFile {
  path: string;
  size: number;
  sha256?: string;
}

/** Attempts without a byte in between. */
const ATTEMPTS = 6;

const parts = (id: string) => {
  const [name, revision] = id.split('@');
  return { repo: { type: 'model' as const, name }, revision };
};

/**
 * The files of a model's commit whose paths match `wanted`.
 * @param id `org/name@<commit>`
 * @throws InputError when there are none, HubFailed when the hub cannot be reached
 */
export async function listModelFiles(id: string, wanted: RegExp): Promise<HubFile[]> {
  const { repo, revision } = parts(id);
  const files: HubFile[] = [];
  try {
    for await (const { type, path, size, lfs } of listFiles({ repo, revision, recursive: true, ...hubAccess() })) {
      checkListed(isContained(path), path);
      if (type === 'file' && wanted.test(path)) files.push({ path, size, ...(lfs && { sha256: lfs.oid }) });
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw hubError(`model "${repo.name}" (${revision})`, error as Error);
  }
  if (files.length === 0) throw new InputError(`Model "${repo.name}" on the hub holds no model files; check its name.`);
  return files;
}

/**
 * The bytes of a file. After a broken connection, the download continues from there.
 * @throws HubFailed after ATTEMPTS without progress
 */
export async function* readHubFile(
  id: string,
  { path, size }: HubFile,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { repo, revision } = parts(id);
  const stoppable: typeof fetch = (request, init) => checkedFetch(request, { ...init, signal: signal ?? null });
  for (let at = 0, attempt = 1; at < size; attempt++) {
    try {
      // Without Xet, whose library assembles files in memory.
      const file = await downloadFile({ repo, path, revision, xet: false, fetch: stoppable, ...hubAccess() });
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
