/** Copies models from the Hugging Face hub into a store: the control worker does, so that all other workers need no route to the hub. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { HubFailed } from '../data/errors.ts';
import { inTurns } from '../data/in-turns.ts';
import type { HubFile } from '../data/hub/listing.ts';
import { listModelFiles, pinModel, resolveModel, snapshotOf } from '../data/hub/models.ts';
import { readHubFile } from '../data/hub/stream.ts';
import { HUB_MODEL_FILES } from '../data/model-files.ts';
import { hashFile } from './hash.ts';
import { modelFolder, type ModelCopies, type SourceFile, type StoredModel } from './models.ts';

export interface CopyOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes that were read from the hub so far, and the size of the model. */
  onBytes?: (done: number, total: number) => void;
}

/**
 * The store's copy of a model's current commit, made if there is none. Weights are streamed: no file of them is on this machine's disk
 * or in its memory as a whole.
 * @param id `org/name[@revision]`
 * @param wanted selects the repository's files by path
 * @throws HubFailed when the hub cannot be reached, or a file differs from the hub's hash
 */
export async function copyModel(
  copies: ModelCopies,
  id: string,
  wanted = HUB_MODEL_FILES,
  options: CopyOptions = {},
): Promise<StoredModel> {
  const pinned = await pinModel(id);
  const stored = (await copies.find(pinned, wanted)) ?? (await addCopy(copies, pinned, wanted, options));
  if (pinned !== id) await copies.pin(id, pinned);
  return stored;
}

async function addCopy(
  copies: ModelCopies,
  id: string,
  wanted: RegExp,
  { signal, onBytes }: CopyOptions,
): Promise<StoredModel> {
  const files = await listModelFiles(id, wanted);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const count = (bytes: number) => onBytes?.((done += bytes), total);
  // The hub lists no SHA-256 of small files. They are downloaded, as they are needed here anyway.
  const small = new Set(files.filter(({ sha256 }) => sha256 === undefined).map(({ path }) => path));
  const folder = small.size === 0 ? '' : await resolveModel(id, { test: (path) => small.has(path) });
  const sources = await inTurns(files, async (file): Promise<SourceFile> => {
    const { path, size, sha256 } = file;
    if (sha256 !== undefined)
      return { path, size, sha256, read: () => Readable.from(checked(id, { ...file, sha256 }, count, signal)) };
    const local = join(folder, path);
    return { path, size, sha256: await hashFile(local), read: () => createReadStream(local) };
  });
  return copies.add(
    id,
    wanted,
    sources.sort((a, b) => (a.path < b.path ? -1 : 1)),
  );
}

/** A file's bytes. The last ones are followed by an error if the hash is another one than the hub lists, so that nothing is stored. */
async function* checked(
  id: string,
  file: Required<HubFile>,
  count: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  // A machine with the model in its hub cache, such as a laptop, does not download it again.
  const local = join(snapshotOf(id).folder, file.path);
  const content: AsyncIterable<Uint8Array> = existsSync(local)
    ? createReadStream(local, { highWaterMark: 2 ** 20 })
    : readHubFile(id, file, signal);
  for await (const chunk of content) {
    hash.update(chunk);
    count(chunk.length);
    yield chunk;
  }
  if (hash.digest('hex') === file.sha256) return;
  throw new HubFailed(
    `${file.path} of model "${id}" has another content than the SHA-256 that the Hugging Face hub lists: it is not stored.`,
  );
}

/** Where the models that labelers use come from. */
export interface ModelSource {
  /** The commit that is used: `org/name@<commit>`. */
  pin(id: string, wanted?: RegExp): Promise<string>;
  /** The local folder of a pinned model. */
  folder(id: string, wanted?: RegExp): Promise<string>;
}

/** The hub. */
export const hubModels: ModelSource = { pin: pinModel, folder: resolveModel };

/** A store's copies, and the hub for models without one. A revision is the commit that was copied last: each run's `prepare` copies. */
export const storedModels = (copies: ModelCopies | undefined): ModelSource =>
  copies
    ? {
        pin: async (id) => (await copies.pinned(id)) ?? pinModel(id),
        folder: (id, wanted) => modelFolder(copies, id, wanted && { wanted }),
      }
    : hubModels;

/** As storedModels. Models that are pinned are copied into the store first. */
export const copiedModels = (copies: ModelCopies | undefined, options: CopyOptions): ModelSource =>
  copies
    ? { ...storedModels(copies), pin: async (id, wanted) => (await copyModel(copies, id, wanted, options)).id }
    : hubModels;
