/** Artifacts in an S3 bucket, read through a cache in a local folder. */
import { markUsed } from '../data/in-use.ts';
import { ArtifactDamaged, unlessDamaged } from './errors.ts';
import { evict } from './eviction.ts';
import { IndexedStore } from './indexed-store.ts';
import { LocalStore } from './local-store.ts';
import { isAddress, stepKey, type Address, type Manifest, type Recipe, type StepKey } from './manifest.ts';
import { S3Artifacts } from './s3-artifacts.ts';
import type { Bucket } from './s3-bucket.ts';
import { S3Checkpoints } from './s3-checkpoints.ts';
import { indexOf, isManifest, manifestOf, objectOf } from './s3-keys.ts';
import { S3Models } from './s3-models.ts';
import { bucketTexts } from './s3-texts.ts';
import type { ArtifactStore, StoredArtifact } from './store.ts';

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
export class S3Store extends IndexedStore implements ArtifactStore {
  readonly models: S3Models;
  private readonly bucket: Bucket;
  private readonly cache: LocalStore;
  private readonly artifacts: S3Artifacts;
  private readonly checkpoints: S3Checkpoints;
  private readonly limitBytes: number;
  private readonly warn: (message: string) => void;

  constructor(
    bucket: Bucket,
    cache: CacheOptions,
    warn: (message: string) => void = (message) => console.warn(message),
  ) {
    super(bucketTexts(bucket));
    this.bucket = bucket;
    this.cache = new LocalStore(cache.folder, warn);
    this.artifacts = new S3Artifacts(bucket, this.cache, (bytes) => this.evict(bytes));
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
    await this.artifacts.upload(address);
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
    await this.artifacts.upload(address);
    await this.evict();
    if (await this.bucket.writeOnce(indexOf(key), address)) return address;
    const first = await this.readIndex(key);
    if (first !== undefined) return first;
    await this.bucket.writeOnce(indexOf(key), address);
    return address;
  }

  private evict(incoming = 0): Promise<void> {
    return evict(this.cache, this.limitBytes, incoming);
  }

  manifest(address: Address): Promise<Manifest> {
    return this.artifacts.manifest(address);
  }

  readText(address: Address, path: string): Promise<string> {
    return this.artifacts.readText(address, path);
  }

  open(address: Address): Promise<string> {
    return this.artifacts.open(address);
  }

  openFiles(address: Address, needed: (path: string) => boolean): Promise<string> {
    return this.artifacts.openFiles(address, needed);
  }

  list(): Promise<StoredArtifact[]> {
    return this.artifacts.list();
  }

  async openCheckpoints(key: StepKey): Promise<string> {
    const folder = await this.checkpoints.open(key, (bytes) => this.evict(bytes));
    await markUsed(folder);
    return folder;
  }

  saveCheckpoints(key: StepKey, done?: AbortSignal): Promise<void> {
    return this.checkpoints.save(key, done);
  }

  async remove(address: Address): Promise<void> {
    const { recipe, files } = await this.manifest(address);
    const index = indexOf(stepKey(recipe));
    const isOwn = (await this.bucket.readText(index)) === address;
    // Removes the step's entry and the manifest first, since other processes find the artifact by them.
    await this.bucket.remove([...(isOwn ? [index] : []), manifestOf(address)]);
    await this.bucket.remove(files.map(({ path }) => objectOf(address, path)));
    // The cache may not have it.
    await unlessDamaged(this.cache.remove(address));
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

/** Whether a key is of an artifact or a checkpoint. */
const isOwn = (key: string) => /^(?:objects|checkpoints)\//.test(key) && isAddress(key.split('/')[1]);
