/** Checkpoints in an S3 bucket: a step that started on one machine can continue on another. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { z } from 'zod';
import { jsonOf } from '../data/json.ts';
import { isContained, isName } from '../data/paths.ts';
import { UPLOAD, UPLOADED } from './checkpoint-folder.ts';
import { hashFile } from './hash.ts';
import type { LocalStore } from './local-store.ts';
import { isAddress, type StepKey } from './manifest.ts';
import type { Bucket } from './s3-bucket.ts';

/** The newest checkpoint of a step: the name of its folder, and its files. */
const pointerSchema = z.object({
  name: z.string().refine(isName),
  files: z.array(z.object({ path: z.string().refine(isContained), sha256: z.string().refine(isAddress) })),
});
type CheckpointPointer = z.infer<typeof pointerSchema>;

/** Files that are uploaded at a time: one of each GPU's. Each has several parts in memory (s3-bucket.ts). */
const FILES_AT_ONCE = 8;

/** Layout: `checkpoints/<key>/latest` names the newest complete folder in `checkpoints/<key>/`. Names of newer checkpoints sort later. */
export class S3Checkpoints {
  private readonly bucket: Bucket;
  private readonly local: LocalStore;
  private readonly warn: (message: string) => void;

  constructor(bucket: Bucket, local: LocalStore, warn: (message: string) => void) {
    this.bucket = bucket;
    this.local = local;
    this.warn = warn;
  }

  /**
   * The local folder of a step's checkpoints. Downloads the checkpoint of the bucket first if it is newer.
   * @param makeRoom called before a download
   */
  async open(key: StepKey, makeRoom: (bytes: number) => Promise<void>): Promise<string> {
    const folder = await this.local.openCheckpoints(key);
    // Of a worker that was killed.
    await rm(join(folder, UPLOAD), { recursive: true, force: true });
    const latest = await this.latest(key);
    const newest = (await completeFolders(folder)).at(-1);
    if (!latest || (newest !== undefined && newest >= latest.name)) return folder;
    await makeRoom(await this.sizeOf(key));
    const unfinished = join(folder, `.${latest.name}.download`);
    await rm(unfinished, { recursive: true, force: true });
    for (const { path, sha256 } of latest.files) {
      const file = join(unfinished, path);
      const found = await this.bucket.download(`checkpoints/${key}/${latest.name}/${path}`, file);
      if (found && (await hashFile(file)) === sha256) continue;
      const problem = `${path} ${found ? 'was changed' : 'is missing'}`;
      this.warn(
        `Checkpoint ${latest.name} of step ${key.slice(0, 12)} is damaged: ${problem}; the step starts without it.`,
      );
      await rm(unfinished, { recursive: true });
      return folder;
    }
    await rename(unfinished, join(folder, latest.name));
    return folder;
  }

  /** The size of a step's checkpoints in the bucket, in bytes. */
  private async sizeOf(key: StepKey): Promise<number> {
    const objects = await this.bucket.list(`checkpoints/${key}/`);
    return objects.reduce((sum, { size }) => sum + size, 0);
  }

  private async latest(key: StepKey): Promise<CheckpointPointer | undefined> {
    const text = await this.bucket.readText(`checkpoints/${key}/latest`);
    if (text === undefined) return undefined;
    const { success, data } = pointerSchema.safeParse(jsonOf(text));
    if (success) return data;
    this.warn(
      `The checkpoint of step ${key.slice(0, 12)} in the bucket is damaged: its "latest" cannot be read; the step starts without it.`,
    );
    return undefined;
  }

  /**
   * Uploads the newest local checkpoint and removes the older ones from the bucket. Training continues meanwhile.
   * @param done aborted when the training has ended: the checkpoint is then of no use
   */
  async save(key: StepKey, done?: AbortSignal): Promise<void> {
    const folder = await this.local.openCheckpoints(key);
    const latest = await this.latest(key);
    const name = (await completeFolders(folder)).at(-1);
    // The bucket may have a newer checkpoint of another worker.
    if (name === undefined || (latest && latest.name >= name)) return;
    const started = performance.now();
    const links = await linkFiles(join(folder, name), join(folder, UPLOAD, name));
    try {
      // Newer ones have taken its place. The call for those saves them.
      if (!links) return;
      const limit = pLimit(FILES_AT_ONCE);
      const files = await limit.map(links, async (path) => {
        const hash = createHash('sha256');
        const content = Readable.from(hashed(join(folder, UPLOAD, name, path), hash, done));
        await this.bucket.upload(content, `checkpoints/${key}/${name}/${path}`);
        return { path, sha256: hash.digest('hex') };
      });
      done?.throwIfAborted();
      await this.bucket.writeText(`checkpoints/${key}/latest`, JSON.stringify({ name, files }));
    } catch (error) {
      if (!done?.aborted) throw error;
      return;
    } finally {
      await rm(join(folder, UPLOAD), { recursive: true, force: true });
    }
    const seconds = (performance.now() - started) / 1000;
    await writeFile(join(folder, UPLOADED), JSON.stringify({ seconds }));
    await this.remove(key, (other) => other < name);
  }

  /** Removes a step's checkpoints from the bucket: all, or those that `which` selects by name. */
  async remove(key: StepKey, which?: (name: string) => boolean): Promise<void> {
    const objects = await this.bucket.list(`checkpoints/${key}/`);
    const chosen = objects.filter((object) => {
      const [, , name, ...path] = object.key.split('/');
      return which === undefined || (path.length > 0 && which(name));
    });
    await this.bucket.remove(chosen.map((object) => object.key));
  }
}

/** Links all files of a folder. @returns their names; undefined if the folder is removed meanwhile */
async function linkFiles(from: string, to: string): Promise<string[] | undefined> {
  try {
    await rm(to, { recursive: true, force: true });
    await mkdir(to, { recursive: true });
    const names = (await readdir(from)).sort();
    for (const name of names) await link(join(from, name), join(to, name));
    return names;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** The bytes of a file, which are added to a hash. */
async function* hashed(file: string, hash: Hash, done?: AbortSignal): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
    done?.throwIfAborted();
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
}

/** Names of complete checkpoints, newest last. The name of an incomplete checkpoint begins with a dot. */
const completeFolders = async (folder: string) =>
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && isName(entry.name))
    .map(({ name }) => name)
    .sort();
