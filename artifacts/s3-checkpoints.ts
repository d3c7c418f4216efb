/** Checkpoints in an S3 bucket: a step that started on one machine can continue on another. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { jsonOf } from '../data/json.ts';
import { isContained, isName } from '../data/paths.ts';
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

  /** The local folder of a step's checkpoints. Downloads the checkpoint of the bucket first if it is newer. */
  async open(key: StepKey): Promise<string> {
    const folder = await this.local.openCheckpoints(key);
    const latest = await this.latest(key);
    const newest = (await completeFolders(folder)).at(-1);
    if (!latest || (newest !== undefined && newest >= latest.name)) return folder;
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

  /** Uploads the newest local checkpoint and removes the older ones from the bucket. */
  async save(key: StepKey): Promise<void> {
    const folder = await this.local.openCheckpoints(key);
    const name = (await completeFolders(folder)).at(-1);
    const latest = await this.latest(key);
    // The bucket may have a newer checkpoint of another worker.
    if (name === undefined || (latest && latest.name >= name)) return;
    const files = [];
    try {
      for (const path of (await readdir(join(folder, name))).sort()) {
        const file = join(folder, name, path);
        await this.bucket.upload(file, `checkpoints/${key}/${name}/${path}`);
        files.push({ path, sha256: await hashFile(file) });
      }
    } catch (error) {
      // A newer checkpoint has replaced this one during the upload. The next call saves it.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    await this.bucket.writeText(`checkpoints/${key}/latest`, JSON.stringify({ name, files }));
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

/** Names of complete checkpoints, newest last. The name of an incomplete checkpoint begins with a dot. */
const completeFolders = async (folder: string) =>
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && isName(entry.name))
    .map(({ name }) => name)
    .sort();
