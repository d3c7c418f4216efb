/** Downloads of files into the hub cache, which the Python libraries share. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { downloadFileToCacheDir, type RepoId } from '@huggingface/hub';
import { askHub, checkedFetch } from './access.ts';
import { makeRoom, repositoryFolder } from './cache.ts';
import { commitOf, filesOf } from './listing.ts';

/**
 * Downloads the files that `choose` selects by their paths.
 * @returns their paths in the cache
 * @throws InputError when the hub has no such repository or revision, HubFailed when the hub cannot be reached
 */
export const download = (repo: RepoId, revision: string, choose: (paths: string[]) => string[]): Promise<string[]> =>
  askHub(repo, revision, async (access) => {
    const commit = await commitOf(repo, revision, access);
    const sizes = new Map((await filesOf(repo, commit, access)).map(({ path, size }) => [path, size]));
    const chosen = choose([...sizes.keys()]);
    const snapshot = join(repositoryFolder(repo), 'snapshots', commit);
    const missing = chosen.filter((path) => !existsSync(join(snapshot, path)));
    await makeRoom(
      repo,
      missing.reduce((sum, path) => sum + sizes.get(path)!, 0),
    );
    const files: string[] = [];
    for (const path of chosen) {
      files.push(await downloadFileToCacheDir({ repo, path, revision: commit, fetch: checkedFetch, ...access }));
    }
    return files;
  });
