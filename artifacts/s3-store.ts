/** Artifacts in an S3 bucket, read through a cache in a local folder. */
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { markUsed } from '../data/in-use.ts';
import { ArtifactDamaged, StoreFailed, unlessDamaged } from './errors.ts';
import { evict } from './eviction.ts';
import { hashFile } from './hash.ts';
import { LocalStore, MANIFEST } from './local-store.ts';
import {
  checkText,
  isAddress,
  parseManifest,
  stepKey,
  type Address,
  type Manifest,
  type ManifestFile,
  type Recipe,
  type StepKey,
} from './manifest.ts';
import { listNames, publishName, resolveName } from './name-index.ts';
import type { Bucket } from './s3-bucket.ts';
import { S3Checkpoints } from './s3-checkpoints.ts';
import { indexOf, manifestOf, objectOf } from './s3-keys.ts';
import { S3Models } from './s3-models.ts';
import { bucketTexts } from './s3-texts.ts';
import { addServer, listServers } from './servers.ts';
import type { ArtifactStore, NamedVersion, StoredArtifact, StoreServer } from './store.ts';
import type { Texts } from './texts.ts';

interface CacheOptions {
  folder: string;
  /** If the cache exceeds this size, what was used longest ago is removed. */
  limitBytes: number;
}

/**
 * Layout of the bucket: as in LocalStore. The manifest.json in `objects/<address>/` is written last; an artifact without it does
 * not exist. `steps/<key>` and `names/<name>/<version>` are written once, with conditional writes. `checkpoints/<key>/latest`
 * names the newest complete checkpoint.
 */
export class S3Store implements ArtifactStore {
  readonly models: S3Models;
  private readonly bucket: Bucket;
  private readonly texts: Texts;
  private readonly cache: LocalStore;
  private readonly checkpoints: S3Checkpoints;
  private readonly limitBytes: number;
  private readonly warn: (message: string) => void;

  constructor(
    bucket: Bucket,
    cache: CacheOptions,
    warn: (message: string) => void = (message) => console.warn(message),
  ) {
    this.bucket = bucket;
    this.texts = bucketTexts(bucket);
    this.cache = new LocalStore(cache.folder, warn);
    this.checkpoints = new S3Checkpoints(bucket, this.cache, warn);
    this.models = new S3Models(bucket, warn);
    this.limitBytes = cache.limitBytes;
    this.warn = warn;
  }

  async find(key: StepKey): Promise<Address | undefined> {
    const address = await this.readIndex(key);
    if (address === undefined) {
      // Finds an artifact that this machine computed and did not upload because the worker was terminated.
      const made = await this.cache.find(key);
      return made && this.publish(made, key);
    }
    try {
      await this.open(address);
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      this.warn(error.message);
      await this.bucket.remove([indexOf(key), manifestOf(address)]);
      return undefined;
    }
    // Restores files that are missing in the bucket and exist in the cache.
    await this.upload(address);
    return address;
  }

  /** The address of a step's artifact. An entry that is not an address is removed. */
  private async readIndex(key: StepKey): Promise<Address | undefined> {
    const address = await this.bucket.readText(indexOf(key));
    if (address === undefined || isAddress(address)) return address;
    this.warn(`The step index ${this.bucket.url}/${indexOf(key)} is damaged: it holds no address. It is removed.`);
    await this.bucket.remove([indexOf(key)]);
    return undefined;
  }

  async create(kind: string, recipe: Recipe, fill: (folder: string) => Promise<void>): Promise<Address> {
    const key = stepKey(recipe);
    const address = await this.publish(await this.cache.create(kind, recipe, fill), key);
    await this.checkpoints.remove(key);
    return address;
  }

  /** Uploads an artifact from the cache. @returns the step's artifact: that of the first worker to publish it */
  private async publish(address: Address, key: StepKey): Promise<Address> {
    await this.upload(address);
    await this.evict();
    if (await this.bucket.writeOnce(indexOf(key), address)) return address;
    const first = await this.readIndex(key);
    if (first !== undefined) return first;
    await this.bucket.writeOnce(indexOf(key), address);
    return address;
  }

  /** Uploads an artifact from the cache, unless the bucket has all its files. One file at a time: each has parallel parts. */
  private async upload(address: Address): Promise<void> {
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
    for (const file of wanted) if (await this.cache.damageOf(folder, file)) absent.push(file);
    // What is there must not be evicted to make room for the rest.
    if (absent.length < wanted.length) await markUsed(folder);
    if (absent.length > 0) await this.evict(totalBytes(absent));
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
    await this.evict(totalBytes(files));
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

  private evict(incoming = 0): Promise<void> {
    return evict(this.cache, this.limitBytes, incoming);
  }

  /** Removes an artifact from the cache, if the cache has it. */
  private async forget(address: Address): Promise<void> {
    await unlessDamaged(this.cache.remove(address));
  }

  async openCheckpoints(key: StepKey): Promise<string> {
    const folder = await this.checkpoints.open(key, (bytes) => this.evict(bytes));
    await markUsed(folder);
    return folder;
  }

  saveCheckpoints(key: StepKey, done?: AbortSignal): Promise<void> {
    return this.checkpoints.save(key, done);
  }

  publishName(name: string, address: Address): Promise<number> {
    return publishName(this.texts, name, address);
  }

  resolveName(name: string, version: number | 'latest'): Promise<Address | undefined> {
    return resolveName(this.texts, name, version);
  }

  listNames(): Promise<NamedVersion[]> {
    return listNames(this.texts);
  }

  addServer(server: StoreServer): Promise<void> {
    return addServer(this.texts, server);
  }

  listServers(): Promise<StoreServer[]> {
    return listServers(this.texts);
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

  async remove(address: Address): Promise<void> {
    const { recipe, files } = await this.manifest(address);
    const index = indexOf(stepKey(recipe));
    const isOwn = (await this.bucket.readText(index)) === address;
    // Removes the step's entry and the manifest first, since other processes find the artifact by them.
    await this.bucket.remove([...(isOwn ? [index] : []), manifestOf(address)]);
    await this.bucket.remove(files.map(({ path }) => objectOf(address, path)));
    await this.forget(address);
  }

  async removeLeftovers(before: Date): Promise<number> {
    const objects = await this.bucket.list('objects/');
    const complete = new Set(objects.filter(({ key }) => isManifest(key)).map(({ key }) => key.split('/')[1]));
    const partial = objects.filter(({ key }) => !complete.has(key.split('/')[1]));
    const leftovers = [...partial, ...(await this.bucket.list('checkpoints/'))].filter(({ key }) => isOwn(key));
    const old = leftovers.filter(({ modified }) => modified < before).map(({ key }) => key);
    await this.bucket.remove(old);
    await this.bucket.abortUploads(before, isOwn);
    const removed = new Set(old.map((key) => key.split('/').slice(0, 2).join('/'))).size;
    return removed + (await this.cache.removeLeftovers(before));
  }
}

const totalBytes = (files: ManifestFile[]) => files.reduce((total, { size }) => total + size, 0);

/** Whether a key is of an artifact or a checkpoint. */
const isOwn = (key: string) => /^(?:objects|checkpoints)\//.test(key) && isAddress(key.split('/')[1]);

/** Whether an object is an artifact's manifest, and not a file of the same name in one of its folders. */
function isManifest(key: string): boolean {
  const [, address, ...path] = key.split('/');
  return isAddress(address) && path.join('/') === MANIFEST;
}
