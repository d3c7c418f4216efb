/** Copies of hub models in an S3 bucket. */
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import pLimit from 'p-limit';
import { ArtifactDamaged } from './errors.ts';
import { hashFile } from './hash.ts';
import { addressOf, isAddress, parseManifest, stepKey, type Manifest } from './manifest.ts';
import { copyRecipe, type ModelCopies, type SourceFile, type StoredModel } from './models.ts';
import type { Bucket } from './s3-bucket.ts';
import { indexOf, manifestOf, objectOf } from './s3-keys.ts';

/** Files that are copied at a time. Each has several parts in memory (s3-bucket.ts). */
const FILES_AT_ONCE = 2;
/** A file's beginning with a safetensors header's length, in bytes. */
const LENGTH_BYTES = 8;
/** The limit of the format's reference implementation is 100 MB. */
const MOST_HEADER_BYTES = 2 ** 27;

/**
 * Layout: a copy is an artifact, whose manifest is written last. `models/<org>/<name>@<revision>` has the commit that a revision had
 * when it was last copied.
 */
export class S3Models implements ModelCopies {
  private readonly bucket: Bucket;
  private readonly warn: (message: string) => void;

  constructor(bucket: Bucket, warn: (message: string) => void) {
    this.bucket = bucket;
    this.warn = warn;
  }

  async find(id: string, wanted: RegExp): Promise<StoredModel | undefined> {
    const address = await this.bucket.readText(indexOf(stepKey(copyRecipe(id, wanted))));
    if (address === undefined || !isAddress(address)) return undefined;
    const text = await this.bucket.readText(manifestOf(address));
    if (text === undefined) return undefined;
    try {
      return { id, address, files: parseManifest(address, text).files };
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      this.warn(error.message);
      return undefined;
    }
  }

  async add(id: string, wanted: RegExp, files: SourceFile[]): Promise<StoredModel> {
    const listed = files.map(({ path, size, sha256 }) => ({ path, size, sha256 }));
    const recipe = copyRecipe(id, wanted);
    const manifest: Manifest = { kind: 'model', files: listed, recipe };
    const address = addressOf(manifest);
    const stored = await this.bucket.list(`objects/${address}/`);
    const sizes = new Map(stored.map(({ key, size }) => [key, size]));
    // An object exists once it is complete.
    const missing = files.filter(({ path, size }) => sizes.get(objectOf(address, path)) !== size);
    const limit = pLimit(FILES_AT_ONCE);
    const uploads = missing.map((file) =>
      limit(() => this.bucket.upload(file.read(), objectOf(address, file.path))).catch((error: unknown) => {
        limit.clearQueue();
        throw error;
      }),
    );
    await Promise.all(uploads);
    await this.bucket.writeText(manifestOf(address), JSON.stringify(manifest, null, 2));
    await this.bucket.writeText(indexOf(stepKey(recipe)), address);
    return { id, address, files: listed };
  }

  async fetch(model: StoredModel, path: string, target: string): Promise<void> {
    const { address, files } = model;
    const { sha256 } = files.find((file) => file.path === path)!;
    // A second time, since the data may have been corrupted in transit.
    for (let attempt = 1; attempt <= 2; attempt++) {
      if (!(await this.bucket.download(objectOf(address, path), target))) return this.discard(model, path, true);
      if ((await hashFile(target)) === sha256) return;
    }
    return this.discard(model, path, false);
  }

  async fetchHeader(model: StoredModel, path: string, target: string): Promise<void> {
    const { size } = model.files.find((file) => file.path === path)!;
    const object = objectOf(model.address, path);
    const start = await this.bucket.readStart(object, LENGTH_BYTES);
    if (!start) return this.discard(model, path, true);
    const length = start.length < LENGTH_BYTES ? 0 : Number(Buffer.from(start).readBigUInt64LE());
    // A header that claims more is reported when the model is checked.
    const header = await this.bucket.readStart(object, Math.min(LENGTH_BYTES + length, size, MOST_HEADER_BYTES));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, header!);
    await truncate(target, size);
  }

  /** Removes a damaged file and the manifest: the copy does not exist until `add` has stored the file again. */
  private async discard({ address, id }: StoredModel, path: string, missing: boolean): Promise<never> {
    await this.bucket.remove([manifestOf(address), objectOf(address, path)]);
    const problem = missing ? 'is not in the store' : 'was changed';
    throw new ArtifactDamaged(address, `${path} of the copy of ${id} ${problem}`, missing);
  }

  async pinned(id: string): Promise<string | undefined> {
    const commit = (await this.bucket.readText(pinOf(id)))?.trim();
    return commit !== undefined && /^[0-9a-f]{40}$/.test(commit) ? `${id.split('@')[0]}@${commit}` : undefined;
  }

  async pin(id: string, pinned: string): Promise<void> {
    await this.bucket.writeText(pinOf(id), pinned.split('@')[1]);
  }
}

const pinOf = (id: string) => `models/${id.includes('@') ? id : `${id}@main`}`;
