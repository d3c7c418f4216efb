/** Artifacts in a local folder. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { ArtifactDamaged } from './errors.ts';
import {
  checkSpace,
  bytesIn,
  lastChange,
  listFiles,
  moveUnlessTaken,
  patiently,
  unlessAbsent,
  whileTouched,
  writeDurably,
} from './files.ts';
import { folderTexts } from './folder-texts.ts';
import { hashFile } from './hash.ts';
import {
  addressOf,
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
import { addServer, listServers } from './servers.ts';
import type { ArtifactStore, NamedVersion, StoredArtifact, StoreServer } from './store.ts';
import type { Texts } from './texts.ts';

export const MANIFEST = 'manifest.json';

/**
 * Layout:
 * - `objects/<address>/`: an artifact's files and its manifest.json
 * - `steps/<key>`: the address of a step's artifact
 * - `names/<name>/<version>`: the address of a name's version
 * - `servers/<id>`: the last known address of a Temporal namespace
 * - `unfinished/`: artifacts that are being written
 * - `checkpoints/<key>/`: checkpoints of an unfinished step
 * - `parts/<address>/`: some of an artifact's files, in the cache of another store
 */
export class LocalStore implements ArtifactStore {
  private readonly root: string;
  private readonly texts: Texts;
  private readonly warn: (message: string) => void;
  /** Files with a correct hash, by path, size and modification time: an unchanged file is hashed once. */
  private readonly intact = new Set<string>();

  constructor(root: string, warn: (message: string) => void = (message) => console.warn(message)) {
    this.root = root;
    this.texts = folderTexts(root);
    this.warn = warn;
  }

  /**
   * The folder of an artifact, whether or not it exists.
   * @throws Error when `address` is not an address: "" would give the folder of all artifacts
   */
  folderOf(address: Address): string {
    if (!isAddress(address)) throw new Error(`"${address}" is not an artifact's address.`);
    return join(this.root, 'objects', address);
  }

  private indexOf(key: StepKey): string {
    return join(this.root, 'steps', key);
  }

  private checkpointsOf(key: StepKey): string {
    return join(this.root, 'checkpoints', key);
  }

  async openCheckpoints(key: StepKey): Promise<string> {
    const folder = this.checkpointsOf(key);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** The folder of an artifact's files without the others, for a store that this one is the cache of. */
  partOf(address: Address): string {
    return join(this.root, 'parts', address);
  }

  /** The folders of checkpoints or parts, with their sizes and the times of their last use. */
  async listFolders(kind: 'checkpoints' | 'parts'): Promise<{ folder: string; bytes: number; used: number }[]> {
    const root = join(this.root, kind);
    const found = await inTurns((await unlessAbsent(readdir(root))) ?? [], async (key) => {
      const folder = join(root, key);
      const changed = await lastChange(folder);
      return changed ? [{ folder, bytes: await bytesIn(folder), used: changed.getTime() }] : [];
    });
    return found.flat();
  }

  /** Nothing to do: openCheckpoints() gives the store's own folder. */
  async saveCheckpoints(): Promise<void> {}

  async find(key: StepKey): Promise<Address | undefined> {
    const address = await unlessAbsent(readFile(this.indexOf(key), 'utf8'));
    if (address === undefined) return undefined;
    if (!isAddress(address)) {
      this.warn(`The step index ${this.indexOf(key)} is damaged: it holds no address. It is removed.`);
      await rm(this.indexOf(key), { force: true });
      return undefined;
    }
    try {
      await this.open(address);
      return address;
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      this.warn(error.message);
      await rm(this.indexOf(key), { force: true });
      await this.discard(address);
      return undefined;
    }
  }

  async create(kind: string, recipe: Recipe, fill: (folder: string) => Promise<void>): Promise<Address> {
    const unfinished = join(this.root, 'unfinished', randomUUID());
    await mkdir(unfinished, { recursive: true });
    try {
      const key = stepKey(recipe);
      await checkSpace(unfinished);
      await whileTouched([unfinished, this.checkpointsOf(key)], () => fill(unfinished));
      const manifest: Manifest = { kind, files: await patiently(() => listFiles(unfinished)), recipe };
      const address = addressOf(manifest);
      await patiently(() => writeDurably(join(unfinished, MANIFEST), JSON.stringify(manifest, null, 2)));
      await this.moveToAddress(unfinished, address);
      await patiently(() => this.writeIndex(key, address));
      await rm(this.checkpointsOf(key), { recursive: true, force: true });
      return address;
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }

  /** Adds an artifact of another store: `fill` writes its files and its manifest. They are checked when the artifact is opened. */
  async adopt(address: Address, fill: (folder: string) => Promise<void>): Promise<void> {
    const unfinished = join(this.root, 'unfinished', randomUUID());
    await mkdir(unfinished, { recursive: true });
    try {
      await fill(unfinished);
      await this.moveToAddress(unfinished, address);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }

  /** Moves a finished folder to its address, unless an undamaged artifact exists there. */
  private async moveToAddress(finished: string, address: Address): Promise<void> {
    const target = this.folderOf(address);
    await patiently(() => mkdir(dirname(target), { recursive: true }));
    if (await patiently(() => moveUnlessTaken(finished, target))) return;
    // Another worker has finished the same artifact, which may be in use. It is replaced only if it is damaged.
    try {
      await this.open(address);
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      await this.discard(address);
      await moveUnlessTaken(finished, target);
    }
  }

  /** Removes an artifact atomically: no process sees a partial artifact. */
  private async discard(address: Address): Promise<void> {
    const aside = join(this.root, 'unfinished', randomUUID());
    await mkdir(dirname(aside), { recursive: true });
    await unlessAbsent(rename(this.folderOf(address), aside));
    await rm(aside, { recursive: true, force: true });
  }

  private async writeIndex(key: StepKey, address: Address): Promise<void> {
    await mkdir(join(this.root, 'steps'), { recursive: true });
    const temporary = `${this.indexOf(key)}.${randomUUID()}`;
    await writeDurably(temporary, address);
    await rename(temporary, this.indexOf(key));
  }

  async manifest(address: Address): Promise<Manifest> {
    const text = await unlessAbsent(readFile(join(this.folderOf(address), MANIFEST), 'utf8'));
    if (text === undefined) throw new ArtifactDamaged(address, 'it is not in the store', true);
    return parseManifest(address, text);
  }

  async readText(address: Address, path: string): Promise<string> {
    const manifest = await this.manifest(address);
    return checkText(address, manifest, path, await unlessAbsent(readFile(join(this.folderOf(address), path), 'utf8')));
  }

  async open(address: Address): Promise<string> {
    const folder = this.folderOf(address);
    const { files } = await this.manifest(address);
    for (const file of files) {
      const damage = await this.damageOf(folder, file);
      if (damage) throw new ArtifactDamaged(address, damage.what, damage.missing);
    }
    return folder;
  }

  /** What differs between a file in a folder and the one that was stored. Hashes a file once, unless it changes. */
  async damageOf(
    folder: string,
    { path, size, sha256 }: ManifestFile,
  ): Promise<{ what: string; missing: boolean } | undefined> {
    const file = join(folder, path);
    const missing = { what: `${path} is missing`, missing: true };
    const found = await unlessAbsent(stat(file));
    if (!found) return missing;
    if (found.size !== size) return { what: `${path} has ${found.size} of ${size} bytes`, missing: false };
    const seen = `${file} ${size} ${found.mtimeMs}`;
    if (this.intact.has(seen)) return undefined;
    const hash = await unlessAbsent(hashFile(file));
    if (hash === undefined) return missing;
    if (hash !== sha256) return { what: `${path} was changed`, missing: false };
    this.intact.add(seen);
    return undefined;
  }

  /** All files are there. */
  openFiles(address: Address): Promise<string> {
    return this.open(address);
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
    const entries = (await unlessAbsent(readdir(join(this.root, 'objects')))) ?? [];
    const found = await inTurns(entries.filter(isAddress), async (address) => {
      try {
        const manifest = await this.manifest(address);
        // Another process may remove it at this moment.
        const folder = await unlessAbsent(stat(this.folderOf(address)));
        return folder ? [{ address, manifest, created: folder.mtime }] : [];
      } catch (error) {
        // The step that needs a damaged artifact removes it.
        if (error instanceof ArtifactDamaged) return [];
        throw error;
      }
    });
    return found.flat();
  }

  async remove(address: Address): Promise<void> {
    const key = stepKey((await this.manifest(address)).recipe);
    if ((await unlessAbsent(readFile(this.indexOf(key), 'utf8'))) === address)
      await rm(this.indexOf(key), { force: true });
    await this.discard(address);
  }

  async removeLeftovers(before: Date): Promise<number> {
    let removed = 0;
    for (const [name, isOwn] of [
      ['unfinished', isUuid],
      ['checkpoints', isAddress],
    ] as const) {
      const folder = join(this.root, name);
      for (const entry of ((await unlessAbsent(readdir(folder))) ?? []).filter(isOwn)) {
        const changed = await lastChange(join(folder, entry));
        if (!changed || changed >= before) continue;
        await rm(join(folder, entry), { recursive: true, force: true });
        removed++;
      }
    }
    return removed;
  }
}

/** The names in `unfinished/`. */
const isUuid = (name: string) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);
