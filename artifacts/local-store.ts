/** Artifacts in a local folder. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { ArtifactFolders } from './artifact-folders.ts';
import { ArtifactDamaged } from './errors.ts';
import {
  checkSpace,
  bytesIn,
  lastChange,
  listFiles,
  patiently,
  unlessAbsent,
  whileTouched,
  writeDurably,
} from './files.ts';
import { folderTexts } from './folder-texts.ts';
import { IndexedStore } from './indexed-store.ts';
import {
  addressOf,
  isAddress,
  MANIFEST,
  stepKey,
  type Address,
  type Manifest,
  type Recipe,
  type StepKey,
} from './manifest.ts';
import type { ArtifactStore, StoredArtifact } from './store.ts';

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
export class LocalStore extends IndexedStore implements ArtifactStore {
  readonly artifacts: ArtifactFolders;
  private readonly root: string;
  private readonly warn: (message: string) => void;

  constructor(root: string, warn: (message: string) => void = (message) => console.warn(message)) {
    super(folderTexts(root));
    this.root = root;
    this.artifacts = new ArtifactFolders(root);
    this.warn = warn;
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
      await this.artifacts.discard(address);
      return undefined;
    }
  }

  create(kind: string, recipe: Recipe, fill: (folder: string) => Promise<void>): Promise<Address> {
    return this.artifacts.inUnfinished(async (unfinished) => {
      const key = stepKey(recipe);
      await checkSpace(unfinished);
      await whileTouched([unfinished, this.checkpointsOf(key)], () => fill(unfinished));
      const manifest: Manifest = { kind, files: await patiently(() => listFiles(unfinished)), recipe };
      const address = addressOf(manifest);
      await patiently(() => writeDurably(join(unfinished, MANIFEST), JSON.stringify(manifest, null, 2)));
      await this.artifacts.moveToAddress(unfinished, address);
      await patiently(() => this.writeIndex(key, address));
      await rm(this.checkpointsOf(key), { recursive: true, force: true });
      return address;
    });
  }

  /** Adds an artifact of another store: `fill` writes its files and its manifest. They are checked when the artifact is opened. */
  adopt(address: Address, fill: (folder: string) => Promise<void>): Promise<void> {
    return this.artifacts.inUnfinished(async (unfinished) => {
      await fill(unfinished);
      await this.artifacts.moveToAddress(unfinished, address);
    });
  }

  private async writeIndex(key: StepKey, address: Address): Promise<void> {
    await mkdir(join(this.root, 'steps'), { recursive: true });
    const temporary = `${this.indexOf(key)}.${randomUUID()}`;
    await writeDurably(temporary, address);
    await rename(temporary, this.indexOf(key));
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

  /** All files are there. */
  openFiles(address: Address): Promise<string> {
    return this.artifacts.open(address);
  }

  list(): Promise<StoredArtifact[]> {
    return this.artifacts.list();
  }

  async remove(address: Address): Promise<void> {
    const key = stepKey((await this.manifest(address)).recipe);
    if ((await unlessAbsent(readFile(this.indexOf(key), 'utf8'))) === address)
      await rm(this.indexOf(key), { force: true });
    await this.artifacts.discard(address);
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
