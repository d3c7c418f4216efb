/** Artifacts in an S3 bucket, read through a cache in a local folder. */
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { markUsed } from '../data/in-use.ts';
import { ArtifactDamaged, StoreFailed, unlessDamaged } from './errors.ts';
import { hashFile } from './hash.ts';
import type { LocalStore } from './local-store.ts';
import { checkText, MANIFEST, parseManifest, type Address, type Manifest, type ManifestFile } from './manifest.ts';
import type { Bucket } from './s3-bucket.ts';
import { isManifest, manifestOf, objectOf } from './s3-keys.ts';
import type { StoredArtifact } from './store.ts';

/** The artifacts in a bucket. An artifact without its manifest, which is written last, does not exist. */
export class S3Artifacts {
  private readonly bucket: Bucket;
  private readonly cache: LocalStore;
  private readonly makeRoom: (bytes: number) => Promise<void>;

  /** @param makeRoom called before a download into the cache */
  constructor(bucket: Bucket, cache: LocalStore, makeRoom: (bytes: number) => Promise<void>) {
    this.bucket = bucket;
    this.cache = cache;
    this.makeRoom = makeRoom;
  }

  /** Uploads an artifact from the cache, unless the bucket has all its files. One file at a time: each has parallel parts. */
  async upload(address: Address): Promise<void> {
    const { files } = await this.cache.manifest(address);
    const stored = await this.bucket.list(`objects/${address}/`);
    const sizes = new Map(stored.map(({ key, size }) => [key, size]));
    const isThere = ({ path, size }: ManifestFile) => sizes.get(objectOf(address, path)) === size;
    if (sizes.has(manifestOf(address)) && files.every(isThere)) return;
    const folder = await this.cache.open(address);
    for (const { path } of files) await this.bucket.upload(join(folder, path), objectOf(address, path));
    await this.bucket.upload(join(folder, MANIFEST), manifestOf(address));
  }

  async manifest(address: Address): Promise<Manifest> {
    // A manifest whose hash is the address is valid, also if it comes from the cache.
    const cached = await unlessDamaged(this.cache.manifest(address));
    return cached ?? parseManifest(address, await this.readManifest(address));
  }

  async readText(address: Address, path: string): Promise<string> {
    const cached = await unlessDamaged(this.cache.readText(address, path));
    if (cached !== undefined) return cached;
    const manifest = await this.manifest(address);
    return checkText(address, manifest, path, await this.bucket.readText(objectOf(address, path)));
  }

  private async readManifest(address: Address): Promise<string> {
    const text = await this.bucket.readText(manifestOf(address));
    if (text === undefined) throw new ArtifactDamaged(address, 'it is not in the store', true);
    return text;
  }

  async open(address: Address): Promise<string> {
    const folder = (await unlessDamaged(this.cache.open(address))) ?? (await this.fetch(address));
    await markUsed(join(folder, MANIFEST));
    return folder;
  }

  async openFiles(address: Address, needed: (path: string) => boolean): Promise<string> {
    const { files } = await this.manifest(address);
    if (files.every(({ path }) => needed(path)) || (await unlessDamaged(this.cache.open(address))))
      return this.open(address);
    const folder = this.cache.partOf(address);
    const wanted = files.filter(({ path }) => needed(path));
    const absent: ManifestFile[] = [];
    for (const file of wanted) if (await this.cache.artifacts.damageOf(folder, file)) absent.push(file);
    // What is there must not be evicted to make room for the rest.
    if (absent.length < wanted.length) await markUsed(folder);
    if (absent.length > 0) await this.makeRoom(totalBytes(absent));
    for (const file of absent) await this.fetchFile(address, file, join(folder, file.path));
    await markUsed(folder);
    return folder;
  }

  /** Downloads one file. @throws ArtifactDamaged as `fetch` */
  private async fetchFile(address: Address, { path, sha256 }: ManifestFile, file: string): Promise<void> {
    const unfinished = `${file}.${randomUUID()}`;
    try {
      // A second time, since the data may have been corrupted in transit.
      for (let attempt = 1; attempt <= 2; attempt++) {
        if (!(await this.bucket.download(objectOf(address, path), unfinished))) break;
        if ((await hashFile(unfinished)) === sha256) return await rename(unfinished, file);
      }
    } finally {
      await rm(unfinished, { force: true });
    }
    await this.bucket.remove([manifestOf(address)]);
    throw new ArtifactDamaged(address, `${path} is missing or was changed`);
  }

  private async fetch(address: Address): Promise<string> {
    const text = await this.readManifest(address);
    const { files } = parseManifest(address, text);
    await this.makeRoom(totalBytes(files));
    for (let attempt = 1; ; attempt++) {
      await this.cache.adopt(address, async (folder) => {
        for (const { path } of files) {
          if (await this.bucket.download(objectOf(address, path), join(folder, path))) continue;
          await this.bucket.remove([manifestOf(address)]);
          throw new ArtifactDamaged(address, `${path} is not in the store`, true);
        }
        await writeFile(join(folder, MANIFEST), text);
      });
      try {
        return await this.cache.open(address);
      } catch (error) {
        if (!(error instanceof ArtifactDamaged)) throw error;
        // The bucket may have the artifact: another process may have evicted it from the cache.
        if (error.missing)
          throw new StoreFailed(
            `Artifact ${address.slice(0, 12)} was removed from the cache while it was fetched; the next attempt fetches it.`,
            { cause: error },
          );
        // Fetches the artifact a second time, since the data may have been corrupted in transit.
        if (attempt === 1) continue;
        // After this removal, a worker with an undamaged copy uploads the artifact again.
        await this.bucket.remove([manifestOf(address)]);
        throw error;
      }
    }
  }

  async list(): Promise<StoredArtifact[]> {
    const manifests = (await this.bucket.list('objects/')).filter(({ key }) => isManifest(key));
    const found = await inTurns(manifests, async ({ key, modified }) => {
      const address = key.split('/')[1];
      // The step that needs a damaged artifact removes it.
      const manifest = await unlessDamaged(this.manifest(address));
      return manifest ? [{ address, manifest, created: modified }] : [];
    });
    return found.flat();
  }
}

const totalBytes = (files: ManifestFile[]) => files.reduce((total, { size }) => total + size, 0);
