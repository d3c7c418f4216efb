/** Artifacts as local folders: `objects/<address>/` has an artifact's files and its manifest.json. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { ArtifactDamaged } from './errors.ts';
import { moveUnlessTaken, patiently, unlessAbsent } from './files.ts';
import { hashFile } from './hash.ts';
import {
  checkText,
  isAddress,
  MANIFEST,
  parseManifest,
  type Address,
  type Manifest,
  type ManifestFile,
} from './manifest.ts';
import type { StoredArtifact } from './store.ts';

/** The artifacts below a folder. */
export class ArtifactFolders {
  private readonly root: string;
  /** Files with a correct hash, by path, size and modification time: an unchanged file is hashed once. */
  private readonly intact = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  /**
   * The folder of an artifact, whether or not it exists.
   * @throws Error when `address` is not an address: "" would give the folder of all artifacts
   */
  folderOf(address: Address): string {
    if (!isAddress(address)) throw new Error(`"${address}" is not an artifact's address.`);
    return join(this.root, 'objects', address);
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

  /** Runs `work` with an empty folder in `unfinished/`, and removes what is left there. */
  async inUnfinished<T>(work: (unfinished: string) => Promise<T>): Promise<T> {
    const unfinished = join(this.root, 'unfinished', randomUUID());
    await mkdir(unfinished, { recursive: true });
    try {
      return await work(unfinished);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }

  /** Moves a finished folder to its address, unless an undamaged artifact exists there. */
  async moveToAddress(finished: string, address: Address): Promise<void> {
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
  async discard(address: Address): Promise<void> {
    const aside = join(this.root, 'unfinished', randomUUID());
    await mkdir(dirname(aside), { recursive: true });
    await unlessAbsent(rename(this.folderOf(address), aside));
    await rm(aside, { recursive: true, force: true });
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
}
