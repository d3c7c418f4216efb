/** The hub cache, which the Python libraries share. Its size is limited: whole repositories are removed, the least recently used first. */
import { lstat, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { getHFHubCachePath, getRepoFolderName, type RepoId } from '@huggingface/hub';
import { InputError } from '../errors.ts';
import { markUsed } from '../in-use.ts';

/** A repository used within this time is kept even above the limit, since this or another process may be using it. */
const RECENT_MS = 10 * 60_000;

/** The folder of a repository in the cache. */
export const repositoryFolder = (repo: RepoId): string => join(getHFHubCachePath(), getRepoFolderName(repo));

/**
 * Marks `repo` as used. If SELM_HUB_CACHE_GB sets a limit, removes other repositories until `bytes` more fit.
 * @throws InputError when the limit is not a number
 */
export async function makeRoom(repo: RepoId, bytes: number): Promise<void> {
  const given = process.env['SELM_HUB_CACHE_GB'];
  if (given === undefined) return;
  if (!(Number(given) > 0)) throw new InputError(`SELM_HUB_CACHE_GB=${given} is no size: give a number of gigabytes.`);
  const folder = repositoryFolder(repo);
  await mkdir(folder, { recursive: true });
  await markUsed(folder);
  const repositories = await repositoriesIn(getHFHubCachePath());
  let excess = repositories.reduce((sum, { size }) => sum + size, bytes) - Number(given) * 1e9;
  for (const { path, size, used } of repositories.sort((a, b) => a.used - b.used)) {
    if (excess <= 0 || used > Date.now() - RECENT_MS) return;
    await rm(path, { recursive: true, force: true });
    excess -= size;
  }
}

async function repositoriesIn(cache: string): Promise<{ path: string; size: number; used: number }[]> {
  const names = (await readdir(cache)).filter((name) => /^(models|datasets)--/.test(name));
  return Promise.all(
    names.map(async (name) => {
      const path = join(cache, name);
      return { path, size: await sizeOf(path), used: (await stat(path)).mtimeMs };
    }),
  );
}

/** Ignores missing files, since another process may be removing or renaming them. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** The size of a folder on disk, in bytes. Links are not followed: snapshots are links to blobs. */
async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true });
  const entries = await Promise.all(files.map((file) => lstat(join(folder, file)).catch(absent)));
  return entries.reduce((sum, entry) => sum + (entry?.isFile() ? entry.size : 0), 0);
}
