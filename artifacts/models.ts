/** Copies of hub models in a store that workers on many machines share. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { makeRoom } from '../data/hub/cache.ts';
import { isOnHub, resolveModel, snapshotOf } from '../data/hub/models.ts';
import { HUB_MODEL_FILES } from '../data/model-files.ts';
import type { Address, ManifestFile, Recipe } from './manifest.ts';

/** A copy of a model's commit: an artifact with its files. */
export interface StoredModel {
  /** `org/name@<commit>` */
  id: string;
  address: Address;
  files: ManifestFile[];
}

/** A file to be copied, whose hash is known before its bytes are. */
export interface SourceFile extends ManifestFile {
  /** Opened only if the store does not have the file yet. */
  read(): Readable;
}

/** The copies in a store. `wanted` selects a repository's files by path, as in `resolveModel`: another selection is another copy. */
export interface ModelCopies {
  /** The copy of `org/name@<commit>`, if the store has it. */
  find(id: string, wanted: RegExp): Promise<StoredModel | undefined>;
  /** Copies a model. Files that an interrupted copy has stored are not read again. */
  add(id: string, wanted: RegExp, files: SourceFile[]): Promise<StoredModel>;
  /**
   * Downloads a file and checks its hash. If it is damaged, the copy is removed.
   * @throws ArtifactDamaged when the file is missing or has another content
   */
  fetch(model: StoredModel, path: string, target: string): Promise<void>;
  /** Downloads a safetensors file's header. The target has the file's size, and a hole in place of the tensors, which uses no disk. */
  fetchHeader(model: StoredModel, path: string, target: string): Promise<void>;
  /** The commit that a revision had when it was last copied: `org/name@<commit>`. */
  pinned(id: string): Promise<string | undefined>;
  /** Records the commit of a revision. */
  pin(id: string, pinned: string): Promise<void>;
}

const COPY_MODEL = 'copy-model';

/** The recipe of a copy. Its step key is where every worker finds it: no policy refers to the copy, so policies are the same without it. */
export const copyRecipe = (id: string, wanted: RegExp): Recipe => ({
  step: COPY_MODEL,
  parameters: { model: id, files: wanted.source },
  inputs: {},
  seed: 0,
});

/** The model that an artifact is a copy of, if it is one: `org/name@<commit>`. */
export const copiedModel = ({ step, parameters }: Recipe): string | undefined =>
  step === COPY_MODEL ? (parameters as { model: string }).model : undefined;

/**
 * The local folder of a model, as `resolveModel`: its files come from the store's copy, if there is one, or from the hub. Both fill the
 * hub cache.
 * @param idOrPath a hub id names its commit
 * @param needed selects those of the copy's files that the caller needs. Default: all
 */
export async function modelFolder(
  copies: ModelCopies | undefined,
  idOrPath: string,
  { wanted = HUB_MODEL_FILES, needed = wanted }: { wanted?: RegExp; needed?: RegExp } = {},
): Promise<string> {
  const stored = isOnHub(idOrPath) ? await copies?.find(idOrPath, wanted) : undefined;
  return copies && stored ? fetchSnapshot(copies, stored, needed) : resolveModel(idOrPath, needed);
}

async function fetchSnapshot(copies: ModelCopies, stored: StoredModel, needed: RegExp): Promise<string> {
  const { folder, repository, repo } = snapshotOf(stored.id);
  const missing = stored.files.filter(({ path }) => needed.test(path) && !existsSync(join(folder, path)));
  await makeRoom(
    repo,
    missing.reduce((sum, { size }) => sum + size, 0),
  );
  for (const { path, sha256 } of missing) {
    // The layout of the hub's libraries: a snapshot has links to blobs.
    const [blob, link] = [join(repository, 'blobs', sha256), join(folder, path)];
    if (!existsSync(blob)) {
      const unfinished = `${blob}.${randomUUID()}.incomplete`;
      try {
        await copies.fetch(stored, path, unfinished);
        await rename(unfinished, blob);
      } finally {
        await rm(unfinished, { force: true });
      }
    }
    await mkdir(dirname(link), { recursive: true });
    await symlink(relative(dirname(link), blob), link).catch((error: NodeJS.ErrnoException) => {
      // Another process has just fetched it.
      if (error.code !== 'EEXIST') throw error;
    });
  }
  return folder;
}

/** The large files of a model. Without them it can be checked, but not run. */
const WEIGHTS = /\.safetensors$/;

/** Fills an empty folder with a model's files, of whose weights only the headers are downloaded: enough to check the model. */
export async function fetchOutline(copies: ModelCopies, stored: StoredModel, folder: string): Promise<void> {
  for (const { path } of stored.files) {
    const fetch = WEIGHTS.test(path) ? 'fetchHeader' : 'fetch';
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await copies[fetch](stored, path, target);
  }
}
