/** Artifacts in an S3 bucket, read through a cache in a local folder. */
import { stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkText, LocalStore, MANIFEST, parseManifest } from './local-store.ts';
import { stepKey, type Address, type Manifest, type ManifestFile, type Recipe, type StepKey } from './manifest.ts';
import type { Bucket } from './s3-bucket.ts';
import { S3Checkpoints } from './s3-checkpoints.ts';
import { ArtifactDamaged, type ArtifactStore, type NamedVersion, type StoredArtifact } from './store.ts';

/** What the steps of this and other processes on the machine may be reading stays in the cache so long. */
const IN_USE_MILLISECONDS = 3600_000;
const REQUESTS_AT_ONCE = 16;

export interface CacheOptions {
  folder: string;
  /** Above it, what was opened longest ago leaves the cache. */
  limitBytes: number;
}

/**
 * Layout of the bucket: `objects/<address>/` holds an artifact's files, its manifest.json written last, so that an artifact is
 * there wholly or not at all; `steps/<key>` and `names/<name>/<version>` name addresses and are written once;
 * `checkpoints/<key>/latest` names the folder beside it that is complete.
 */
export class S3Store implements ArtifactStore {
  private readonly bucket: Bucket;
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
    this.cache = new LocalStore(cache.folder, warn);
    this.checkpoints = new S3Checkpoints(bucket, this.cache, warn);
    this.limitBytes = cache.limitBytes;
    this.warn = warn;
  }

  async find(key: StepKey): Promise<Address | undefined> {
    const address = await this.bucket.readText(`steps/${key}`);
    if (address === undefined) {
      // Made here, but the worker died before it was uploaded.
      const made = await this.cache.find(key);
      return made && this.publish(made, key);
    }
    try {
      await this.open(address);
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      this.warn(error.message);
      await this.bucket.remove([`steps/${key}`, manifestOf(address)]);
      return undefined;
    }
    // What the bucket has lost may still be in the cache.
    await this.upload(address);
    return address;
  }

  async create(kind: string, recipe: Recipe, fill: (folder: string) => Promise<void>): Promise<Address> {
    const key = stepKey(recipe);
    const address = await this.publish(await this.cache.create(kind, recipe, fill), key);
    await this.checkpoints.remove(key);
    return address;
  }

  /** Uploads what lies in the cache. @returns the step's artifact: that of the first to get there */
  private async publish(address: Address, key: StepKey): Promise<Address> {
    await this.upload(address);
    await this.evict();
    if (await this.bucket.writeOnce(`steps/${key}`, address)) return address;
    return (await this.bucket.readText(`steps/${key}`)) ?? address;
  }

  /** Uploads an artifact of the cache, unless the bucket has all of it. One file at a time: each is in many parts. */
  private async upload(address: Address): Promise<void> {
    const { files } = await this.cache.manifest(address);
    const stored = await this.bucket.list(`objects/${address}/`);
    const sizes = new Map(stored.map(({ key, size }) => [key, size]));
    const isThere = ({ path, size }: ManifestFile) => sizes.get(`objects/${address}/${path}`) === size;
    if (sizes.has(manifestOf(address)) && files.every(isThere)) return;
    const folder = await this.cache.open(address);
    for (const { path } of files) await this.bucket.upload(join(folder, path), `objects/${address}/${path}`);
    await this.bucket.upload(join(folder, MANIFEST), manifestOf(address));
  }

  async manifest(address: Address): Promise<Manifest> {
    // One whose address fits it is whole, wherever it was found.
    return this.cache.manifest(address).catch(async () => parseManifest(address, await this.readManifest(address)));
  }

  async readText(address: Address, path: string): Promise<string> {
    return this.cache.readText(address, path).catch(async () => {
      const manifest = await this.manifest(address);
      return checkText(address, manifest, path, await this.bucket.readText(`objects/${address}/${path}`));
    });
  }

  private async readManifest(address: Address): Promise<string> {
    const text = await this.bucket.readText(manifestOf(address));
    if (text === undefined) throw new ArtifactDamaged(address, 'it is not in the store');
    return text;
  }

  async open(address: Address): Promise<string> {
    const cached = await this.cache.open(address).catch((error: unknown) => {
      if (!(error instanceof ArtifactDamaged)) throw error;
      return undefined;
    });
    const folder = cached ?? (await this.fetch(address));
    const now = new Date();
    await utimes(join(folder, MANIFEST), now, now);
    return folder;
  }

  private async fetch(address: Address): Promise<string> {
    const text = await this.readManifest(address);
    const { files } = parseManifest(address, text);
    await this.evict(totalBytes(files));
    const download = () =>
      this.cache.adopt(address, async (folder) => {
        for (const { path } of files) {
          const found = await this.bucket.download(`objects/${address}/${path}`, join(folder, path));
          if (!found) throw new ArtifactDamaged(address, `${path} is not in the store`);
        }
        await writeFile(join(folder, MANIFEST), text);
      });
    try {
      await download();
      // What was garbled on the way is whole when it comes again.
      return await this.cache.open(address).catch(() => download().then(() => this.cache.open(address)));
    } catch (error) {
      // Who has it undamaged uploads it again once it is not there.
      if (error instanceof ArtifactDamaged) await this.bucket.remove([manifestOf(address)]);
      throw error;
    }
  }

  /** Makes room in the cache, for `incoming` bytes more. */
  private async evict(incoming = 0): Promise<void> {
    const artifacts = await Promise.all(
      (await this.cache.list()).map(async ({ address, manifest }) => ({
        address,
        bytes: totalBytes(manifest.files),
        // Another process may have removed it by now.
        opened: await stat(join(this.cache.folderOf(address), MANIFEST)).then(
          ({ mtimeMs }) => mtimeMs,
          () => Infinity,
        ),
      })),
    );
    let bytes = artifacts.reduce((total, artifact) => total + artifact.bytes, incoming);
    for (const artifact of artifacts.sort((a, b) => a.opened - b.opened)) {
      if (bytes <= this.limitBytes || Date.now() - artifact.opened < IN_USE_MILLISECONDS) return;
      await this.forget(artifact.address);
      bytes -= artifact.bytes;
    }
  }

  /** Removes an artifact from the cache, if it is there. */
  private async forget(address: Address): Promise<void> {
    await this.cache.remove(address).catch((error: unknown) => {
      if (!(error instanceof ArtifactDamaged)) throw error;
    });
  }

  openCheckpoints(key: StepKey): Promise<string> {
    return this.checkpoints.open(key);
  }

  saveCheckpoints(key: StepKey): Promise<void> {
    return this.checkpoints.save(key);
  }

  async publishName(name: string, address: Address): Promise<number> {
    for (;;) {
      const last = (await this.versionsOf(name)).at(-1) ?? 0;
      if (last > 0 && (await this.resolveName(name, last)) === address) return last;
      if (await this.bucket.writeOnce(`names/${name}/${last + 1}`, address)) return last + 1;
    }
  }

  private async versionsOf(name: string): Promise<number[]> {
    const objects = await this.bucket.list(`names/${name}/`);
    return objects.map(({ key }) => Number(key.split('/').at(-1))).sort((a, b) => a - b);
  }

  async resolveName(name: string, version: number | 'latest'): Promise<Address | undefined> {
    const number = version === 'latest' ? (await this.versionsOf(name)).at(-1) : version;
    return number === undefined ? undefined : this.bucket.readText(`names/${name}/${number}`);
  }

  async listNames(): Promise<NamedVersion[]> {
    const versions = (await this.bucket.list('names/')).map(({ key }) => {
      const [, name, version] = key.split('/');
      return { name, version: Number(version), key };
    });
    versions.sort((a, b) => (a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1));
    return inTurns(versions, async ({ key, ...version }) => ({
      ...version,
      address: (await this.bucket.readText(key))!,
    }));
  }

  async list(): Promise<StoredArtifact[]> {
    const manifests = (await this.bucket.list('objects/')).filter(({ key }) => key.split('/')[2] === MANIFEST);
    const found = await inTurns(manifests, async ({ key, modified }) => {
      const address = key.split('/')[1];
      // What is damaged is left to the step that finds it.
      const manifest = await this.manifest(address).catch((error: unknown) => {
        if (error instanceof ArtifactDamaged) return undefined;
        throw error;
      });
      return manifest && { address, manifest, created: modified };
    });
    return found.filter((artifact) => artifact !== undefined);
  }

  async remove(address: Address): Promise<void> {
    const { recipe, files } = await this.manifest(address);
    const index = `steps/${stepKey(recipe)}`;
    const isOwn = (await this.bucket.readText(index)) === address;
    // First what says that it is there.
    await this.bucket.remove([...(isOwn ? [index] : []), manifestOf(address)]);
    await this.bucket.remove(files.map(({ path }) => `objects/${address}/${path}`));
    await this.forget(address);
  }

  async removeLeftovers(before: Date): Promise<void> {
    const objects = await this.bucket.list('objects/');
    const complete = new Set(objects.filter(({ key }) => key.split('/')[2] === MANIFEST).map(({ key }) => key.split('/')[1])); // prettier-ignore
    const partial = objects.filter(({ key }) => !complete.has(key.split('/')[1]));
    const old = [...partial, ...(await this.bucket.list('checkpoints/'))].filter(({ modified }) => modified < before);
    await this.bucket.remove(old.map(({ key }) => key));
    await this.bucket.abortUploads(before);
    await this.cache.removeLeftovers(before);
  }
}

const totalBytes = (files: ManifestFile[]) => files.reduce((total, { size }) => total + size, 0);

const manifestOf = (address: Address) => `objects/${address}/${MANIFEST}`;

/** Applies `work` to all items, some of them at the same time; results in order. */
async function inTurns<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += REQUESTS_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(i, i + REQUESTS_AT_ONCE).map(work))));
  }
  return results;
}
