/** What the hub lists: the commit of a revision, and the files of a commit. */
import { datasetInfo, listFiles, modelInfo, type RepoId } from '@huggingface/hub';
import { isContained } from '../paths.ts';
import { checkListed, type HubAccess } from './access.ts';
import { isCommit } from './ids.ts';

/** A file of a commit. The hub lists the SHA-256 of large files only (Git LFS). */
export interface HubFile {
  path: string;
  size: number;
  sha256?: string;
}

/** The commit of a revision. @throws InputError when it would be a path outside the cache */
export async function commitOf({ type, name }: RepoId, revision: string, access: HubAccess): Promise<string> {
  const query = { name, revision, additionalFields: ['sha' as const], ...access };
  const { sha } = type === 'model' ? await modelInfo(query) : await datasetInfo(query);
  checkListed(isCommit(sha), sha);
  return sha;
}

/** The files of a commit, in all folders. @throws InputError when a path would be outside the cache */
export async function filesOf(repo: RepoId, commit: string, access: HubAccess): Promise<HubFile[]> {
  const files: HubFile[] = [];
  for await (const { type, path, size, lfs } of listFiles({ repo, revision: commit, recursive: true, ...access })) {
    checkListed(isContained(path), path);
    if (type === 'file') files.push({ path, size, ...(lfs && { sha256: lfs.oid }) });
  }
  return files;
}
