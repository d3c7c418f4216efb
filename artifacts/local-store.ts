/** Artifacts in a local folder. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { hashFile, hashText } from './hash.ts';
import { addressOf, stepKey, type Address, type Manifest, type Recipe, type StepKey } from './manifest.ts';
import { ArtifactDamaged, type ArtifactStore, type NamedVersion, type StoredArtifact } from './store.ts';

export const MANIFEST = 'manifest.json';

/**
 * Layout: `objects/<address>/` holds an artifact and its manifest.json; `steps/<key>` names the address a step has made;
 * `names/<name>/<version>` names the address of a version; `unfinished/` is where artifacts grow; `checkpoints/<key>/` belongs
 * to steps that are not done.
 */
export class LocalStore implements ArtifactStore {
  private readonly root: string;
  private readonly warn: (message: string) => void;
  /** Files found intact, by path, size and time of change: a file that has not changed is not hashed twice. */
  private readonly intact = new Set<string>();

  constructor(root: string, warn: (message: string) => void = (message) => console.warn(message)) {
    this.root = root;
    this.warn = warn;
  }

  /** Where an artifact lies, if it is there. */
  folderOf(address: Address): string {
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

  /** The folder is the store's own. */
  async saveCheckpoints(): Promise<void> {}

  async find(key: StepKey): Promise<Address | undefined> {
    const address = await readFile(this.indexOf(key), 'utf8').catch(() => undefined);
    if (address === undefined) return undefined;
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
      await checkSpace(unfinished);
      await fill(unfinished);
      const manifest: Manifest = { kind, files: await listFiles(unfinished), recipe };
      const address = addressOf(manifest);
      await writeDurably(join(unfinished, MANIFEST), JSON.stringify(manifest, null, 2));
      await this.place(unfinished, address);
      const key = stepKey(recipe);
      await this.writeIndex(key, address);
      await rm(this.checkpointsOf(key), { recursive: true, force: true });
      return address;
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }

  /** Takes an artifact from elsewhere: `fill` writes its files and its manifest. It is looked at when it is opened. */
  async adopt(address: Address, fill: (folder: string) => Promise<void>): Promise<void> {
    const unfinished = join(this.root, 'unfinished', randomUUID());
    await mkdir(unfinished, { recursive: true });
    try {
      await fill(unfinished);
      await this.place(unfinished, address);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }

  /** Moves a finished folder to its address, unless the same artifact is there already. */
  private async place(finished: string, address: Address): Promise<void> {
    const target = this.folderOf(address);
    await mkdir(dirname(target), { recursive: true });
    if (await moveUnlessTaken(finished, target)) return;
    // Another worker was faster, and may be read from already: only what is damaged gives way.
    const intact = await this.open(address).then(
      () => true,
      () => false,
    );
    if (intact) return;
    await this.discard(address);
    await moveUnlessTaken(finished, target);
  }

  /** Removes an artifact at once, so that nobody finds half of it. */
  private async discard(address: Address): Promise<void> {
    const aside = join(this.root, 'unfinished', randomUUID());
    await rename(this.folderOf(address), aside).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rm(aside, { recursive: true, force: true });
  }

  private async writeIndex(key: StepKey, address: Address): Promise<void> {
    await mkdir(join(this.root, 'steps'), { recursive: true });
    const temporary = `${this.indexOf(key)}.${randomUUID()}`;
    await writeDurably(temporary, address);
    await rename(temporary, this.indexOf(key));
  }

  async manifest(address: Address): Promise<Manifest> {
    const text = await readFile(join(this.folderOf(address), MANIFEST), 'utf8').catch(() => {
      throw new ArtifactDamaged(address, 'it is not in the store');
    });
    return parseManifest(address, text);
  }

  async readText(address: Address, path: string): Promise<string> {
    const manifest = await this.manifest(address);
    const text = await readFile(join(this.folderOf(address), path), 'utf8').catch(() => undefined);
    return checkText(address, manifest, path, text);
  }

  async open(address: Address): Promise<string> {
    const folder = this.folderOf(address);
    const { files } = await this.manifest(address);
    for (const { path, size, sha256 } of files) {
      const file = join(folder, path);
      const found = await stat(file).catch(() => undefined);
      if (found?.size !== size) throw new ArtifactDamaged(address, `${path} has ${found?.size ?? 0} of ${size} bytes`);
      const seen = `${file} ${size} ${found.mtimeMs}`;
      if (this.intact.has(seen)) continue;
      if ((await hashFile(file)) !== sha256) throw new ArtifactDamaged(address, `${path} was changed`);
      this.intact.add(seen);
    }
    return folder;
  }

  async publishName(name: string, address: Address): Promise<number> {
    const folder = join(this.root, 'names', name);
    await mkdir(folder, { recursive: true });
    for (;;) {
      const last = (await this.versionsOf(name)).at(-1) ?? 0;
      if (last > 0 && (await this.resolveName(name, last)) === address) return last;
      const temporary = join(this.root, 'names', `.${randomUUID()}`);
      await writeDurably(temporary, address);
      // A link does not replace what another has published in this moment; a rename would.
      const published = await link(temporary, join(folder, String(last + 1))).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return false;
        },
      );
      await rm(temporary);
      if (published) return last + 1;
    }
  }

  private async versionsOf(name: string): Promise<number[]> {
    const entries = await readdir(join(this.root, 'names', name)).catch(() => []);
    return entries.map(Number).sort((a, b) => a - b);
  }

  async resolveName(name: string, version: number | 'latest'): Promise<Address | undefined> {
    const number = version === 'latest' ? (await this.versionsOf(name)).at(-1) : version;
    return readFile(join(this.root, 'names', name, String(number)), 'utf8').catch(() => undefined);
  }

  async listNames(): Promise<NamedVersion[]> {
    const entries = await readdir(join(this.root, 'names')).catch(() => []);
    const names = entries.filter((entry) => !entry.startsWith('.')).sort();
    const versions = names.map(async (name) =>
      Promise.all(
        (await this.versionsOf(name)).map(async (version) => ({
          name,
          version,
          address: (await this.resolveName(name, version))!,
        })),
      ),
    );
    return (await Promise.all(versions)).flat();
  }

  async list(): Promise<StoredArtifact[]> {
    const addresses = await readdir(join(this.root, 'objects')).catch(() => []);
    const found = addresses.map(async (address) => {
      // What is damaged is left to the step that finds it.
      const manifest = await this.manifest(address).catch(() => undefined);
      return manifest && { address, manifest, created: (await stat(this.folderOf(address))).mtime };
    });
    return (await Promise.all(found)).filter((artifact) => artifact !== undefined);
  }

  async remove(address: Address): Promise<void> {
    const key = stepKey((await this.manifest(address)).recipe);
    if ((await readFile(this.indexOf(key), 'utf8').catch(() => undefined)) === address) await rm(this.indexOf(key));
    await this.discard(address);
  }

  async removeLeftovers(before: Date): Promise<void> {
    for (const name of ['unfinished', 'checkpoints']) {
      const folder = join(this.root, name);
      for (const entry of await readdir(folder).catch(() => [])) {
        const files = await readdir(join(folder, entry), { recursive: true });
        const changes = await Promise.all(['', ...files].map((file) => stat(join(folder, entry, file))));
        if (changes.every(({ mtime }) => mtime < before)) await rm(join(folder, entry), { recursive: true });
      }
    }
  }
}

/** @throws ArtifactDamaged when this is not the manifest that the address names */
export function parseManifest(address: Address, text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw new ArtifactDamaged(address, 'its manifest is cut short');
  }
  if (addressOf(manifest) !== address) throw new ArtifactDamaged(address, 'its manifest was changed');
  return manifest;
}

/** @throws ArtifactDamaged when a file's text is not the one that the manifest names */
export function checkText(address: Address, { files }: Manifest, path: string, text: string | undefined): string {
  const file = files.find((entry) => entry.path === path);
  if (text === undefined || !file) throw new ArtifactDamaged(address, `${path} is not in the store`);
  if (hashText(text) !== file.sha256) throw new ArtifactDamaged(address, `${path} was changed`);
  return text;
}

/** Every file below a folder, by path, hashed and forced to the disk. */
async function listFiles(folder: string): Promise<Manifest['files']> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.sort().map(async (path) => {
      const handle = await open(path, 'r');
      await handle.sync().finally(() => handle.close());
      return { path: relative(folder, path), size: (await stat(path)).size, sha256: await hashFile(path) };
    }),
  );
}

const NEEDED_BYTES = 2 ** 20;

/** A full disk ends a step before its work is done, not after: each new attempt would do the whole of it in vain. */
async function checkSpace(folder: string): Promise<void> {
  const file = join(folder, 'space');
  await writeFile(file, new Uint8Array(NEEDED_BYTES), { flush: true });
  await rm(file);
}

async function moveUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    return false;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flush: true });
}
