/** Models of the Hugging Face hub: their commits, their files, and their folders in the hub cache. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { RepoId } from '@huggingface/hub';
import { InputError } from '../errors.ts';
import { HUB_MODEL_FILES } from '../model-files.ts';
import { isContained } from '../paths.ts';
import { askHub } from './access.ts';
import { repositoryFolder } from './cache.ts';
import { download } from './download.ts';
import { isCommit, isModelId, modelRepo, parseCommitId, parseModelId } from './ids.ts';
import { commitOf, filesOf, type HubFile } from './listing.ts';

/** Whether a model is on the hub: a path that exists has the precedence over an id. */
export const isOnHub = (idOrPath: string): boolean => isModelId(idOrPath) && !existsSync(idOrPath);

/**
 * The local folder of a model: `idOrPath` if it is a folder, otherwise the download of hub id `org/name[@revision]`.
 * @param wanted paths of the files to download
 * @throws InputError when it is neither, HubFailed when the hub cannot be reached
 */
export async function resolveModel(idOrPath: string, wanted: Pick<RegExp, 'test'> = HUB_MODEL_FILES): Promise<string> {
  const local = statSync(idOrPath, { throwIfNoEntry: false });
  if (local?.isDirectory()) return idOrPath;
  const id = parseModelId(idOrPath);
  if (local || !id) {
    throw new InputError(
      `Model "${idOrPath}" is not a folder; give a Hugging Face model folder or a hub id "org/name".`,
    );
  }
  const { name, revision = 'main' } = id;
  const files = await download(modelRepo(name), revision, (paths) => paths.filter((path) => wanted.test(path)));
  if (files.length === 0) throw noModelFiles(name);
  // The top folder of the repository has the shortest path.
  return files.map((file) => dirname(file)).reduce((a, b) => (b.length < a.length ? b : a));
}

/**
 * The files of a model's commit whose paths match `wanted`.
 * @param id `org/name@<commit>`
 * @throws InputError when there are none, HubFailed when the hub cannot be reached
 */
export async function listModelFiles(id: string, wanted: RegExp): Promise<HubFile[]> {
  const { repo, commit } = parseCommitId(id);
  const files = await askHub(repo, commit, (access) => filesOf(repo, commit, access));
  const found = files.filter(({ path }) => wanted.test(path));
  if (found.length === 0) throw noModelFiles(repo.name);
  return found;
}

const noModelFiles = (name: string) =>
  new InputError(`Model "${name}" on the hub holds no model files; check its name.`);

/** The id of the current commit of a model: `org/name@<sha>`. Nothing is downloaded. */
export async function pinModel(id: string): Promise<string> {
  const { name, revision = 'main' } = parseModelId(id)!;
  if (isCommit(revision)) return id;
  const repo = modelRepo(name);
  return `${name}@${await askHub(repo, revision, (access) => commitOf(repo, revision, access))}`;
}

/** The id of the commit that resolveModel() has downloaded into `folder`. */
export const pinnedId = (id: string, folder: string): string => `${parseModelId(id)!.name}@${basename(folder)}`;

/** Where the hub cache has a model's commit. @param id `org/name@<commit>` */
export function snapshotOf(id: string): { repo: RepoId; repository: string; folder: string } {
  const { repo, commit } = parseCommitId(id);
  const repository = repositoryFolder(repo);
  return { repo, repository, folder: join(repository, 'snapshots', commit) };
}

/** The commit's id `org/name@<commit>` of a model's folder in the hub cache. Undefined for other folders. */
export function idOfSnapshot(folder: string): string | undefined {
  const [repository, , commit] = resolve(folder).split(sep).slice(-3);
  const [kind, org, ...name] = repository.split('--');
  const id = `${org}/${name.join('--')}@${commit}`;
  return kind === 'models' && isModelId(id) && snapshotOf(id).folder === resolve(folder) ? id : undefined;
}

/**
 * The folder of a model in the hub cache, if the cache has its configuration and tokenizer. Undefined if the cache has several
 * commits of the model and does not record which one the branch points to.
 */
export function cachedModel(id: string): string | undefined {
  const { name, revision = 'main' } = parseModelId(id) ?? {};
  if (!name || !isContained(revision)) return undefined;
  const repository = repositoryFolder(modelRepo(name));
  const [snapshots, ref] = [join(repository, 'snapshots'), join(repository, 'refs', revision)];
  const commits = existsSync(snapshots) ? readdirSync(snapshots) : [];
  const named = existsSync(ref) ? readFileSync(ref, 'utf8').trim() : revision;
  if (!commits.includes(named) && (isCommit(named) || commits.length !== 1)) return undefined;
  const folder = join(snapshots, commits.includes(named) ? named : commits[0]);
  return ['config.json', 'tokenizer.json'].every((file) => existsSync(join(folder, file))) ? folder : undefined;
}
