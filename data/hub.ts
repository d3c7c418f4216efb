/**
 * Downloads models and data sets of the Hugging Face hub into the cache that it shares with the Python libraries. The usual
 * environment variables apply: HF_HOME or HF_HUB_CACHE (the cache), HF_TOKEN (private and gated repositories), HF_ENDPOINT (a
 * mirror). SELM_HUB_CACHE_GB limits the size of the cache.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  datasetInfo,
  downloadFileToCacheDir,
  getHFHubCachePath,
  getRepoFolderName,
  HubApiError,
  listFiles,
  modelInfo,
  type RepoId,
} from '@huggingface/hub';
import { convertedFiles, originalFiles } from './dataset-files.ts';
import { HubFailed, InputError } from './errors.ts';
import { makeRoom } from './hub-cache.ts';
import { DATASET_ID, MODEL_ID } from './hub-ids.ts';
import { readAddress, readSecret } from './secret.ts';
import { isContained } from './paths.ts';

/** Files of a model: weights, configuration, tokenizer and chat templates, in the top folder of the repository. */
export const MODEL_FILE =
  /^(?!consolidated)[^/]+\.(safetensors|json|jinja|model|txt)$|^additional_chat_templates\/[^/]+\.jinja$/;

/** Files of a model or an ONNX export: as MODEL_FILE, and the ONNX file in the top folder or in `onnx/`. */
export const MODEL_OR_ONNX_FILE = new RegExp(`${MODEL_FILE.source}|^(onnx/)?model\\.onnx(_data|\\.data)?$`);

/** The branch on which the hub has the data sets that it has converted as Parquet. */
const PARQUET_BRANCH = 'refs/convert/parquet';

/** Whether a model is on the hub: a path that exists has the precedence over an id. */
export const isOnHub = (idOrPath: string): boolean => MODEL_ID.test(idOrPath) && !existsSync(idOrPath);

/**
 * The local folder of a model: `idOrPath` if it is a folder, otherwise the download of hub id `org/name[@revision]`.
 * @param wanted paths of the files to download
 * @throws InputError when it is neither, HubFailed when the hub cannot be reached
 */
export async function resolveModel(idOrPath: string, wanted: Pick<RegExp, 'test'> = MODEL_FILE): Promise<string> {
  const local = statSync(idOrPath, { throwIfNoEntry: false });
  if (local?.isDirectory()) return idOrPath;
  const [, name, revision] = MODEL_ID.exec(idOrPath) ?? [];
  if (local || !name) {
    throw new InputError(
      `Model "${idOrPath}" is not a folder; give a Hugging Face model folder or a hub id "org/name".`,
    );
  }
  const repo: RepoId = { type: 'model', name };
  const files = await download(repo, revision ?? 'main', (paths) => paths.filter((path) => wanted.test(path)));
  if (files.length === 0) throw new InputError(`Model "${name}" on the hub holds no model files; check its name.`);
  // The top folder of the repository has the shortest path.
  return files.map((file) => dirname(file)).reduce((a, b) => (b.length < a.length ? b : a));
}

/**
 * The folder of a model in the hub cache, if the cache has its configuration and tokenizer. Undefined if the cache has several
 * commits of the model and does not record which one the branch points to.
 */
export function cachedModel(id: string): string | undefined {
  const [, name, revision = 'main'] = MODEL_ID.exec(id) ?? [];
  if (!name || !isContained(revision)) return undefined;
  const repository = join(getHFHubCachePath(), getRepoFolderName({ type: 'model', name }));
  const [snapshots, ref] = [join(repository, 'snapshots'), join(repository, 'refs', revision)];
  const commits = existsSync(snapshots) ? readdirSync(snapshots) : [];
  const named = existsSync(ref) ? readFileSync(ref, 'utf8').trim() : revision;
  if (!commits.includes(named) && (isCommit(named) || commits.length !== 1)) return undefined;
  const folder = join(snapshots, commits.includes(named) ? named : commits[0]);
  return ['config.json', 'tokenizer.json'].every((file) => existsSync(join(folder, file))) ? folder : undefined;
}

/** Where the hub cache has a model's commit. @param id `org/name@<commit>` */
export function snapshotOf(id: string): { repo: RepoId; repository: string; folder: string } {
  const [name, commit] = id.split('@');
  const repo: RepoId = { type: 'model', name };
  const repository = join(getHFHubCachePath(), getRepoFolderName(repo));
  return { repo, repository, folder: join(repository, 'snapshots', commit) };
}

const isCommit = (revision: string) => /^[0-9a-f]{40}$/.test(revision);

/** The id of the current commit of a model: `org/name@<sha>`. Nothing is downloaded. */
export async function pinModel(id: string): Promise<string> {
  const [, name, revision = 'main'] = MODEL_ID.exec(id)!;
  if (isCommit(revision)) return id;
  const access = hubAccess();
  try {
    const { sha } = await modelInfo({ name, revision, additionalFields: ['sha'], ...access });
    checkListed(isCommit(sha), sha);
    return `${name}@${sha}`;
  } catch (error) {
    // Any other error of the library is the hub's, or the connection's.
    if (error instanceof InputError) throw error;
    throw hubError(`model "${name}" (${revision})`, error as Error);
  }
}

/** The id of the commit that resolveModel() has downloaded into `folder`. */
export const pinnedId = (id: string, folder: string): string => `${id.split('@')[0]}@${basename(folder)}`;

/**
 * Downloads the Parquet files of hub data set `org/name[/config][:split]`, in order: the hub's conversion, or, of a data set that the hub
 * has not converted (most private ones), its own Parquet files. Default split: train.
 */
export async function downloadDataset(id: string): Promise<string[]> {
  const [, name, config, split = 'train'] = DATASET_ID.exec(id)!;
  const part = { name, config, split };
  const repo: RepoId = { type: 'dataset', name };
  try {
    return await download(repo, PARQUET_BRANCH, (paths) => convertedFiles(part, paths));
  } catch (error) {
    if (!(error instanceof NotOnHub)) throw error;
    return download(repo, 'main', (paths) => originalFiles(part, paths));
  }
}

/** Downloads files of hub data set `org/name`, by their paths. @returns their paths in the cache, in the same order */
export async function downloadDatasetFiles(name: string, wanted: string[]): Promise<string[]> {
  return download({ type: 'dataset', name }, 'main', (paths) => {
    const missing = wanted.filter((path) => !paths.includes(path));
    if (missing.length === 0) return wanted;
    throw new InputError(`Data set "${name}" on the hub has no ${missing.join(' and no ')}; check its name.`);
  });
}

/** Downloads the files that `choose` selects. @returns their paths in the cache */
async function download(repo: RepoId, revision: string, choose: (paths: string[]) => string[]): Promise<string[]> {
  const access = hubAccess();
  const query = { name: repo.name, revision, additionalFields: ['sha' as const], ...access };
  try {
    const { sha } = repo.type === 'model' ? await modelInfo(query) : await datasetInfo(query);
    const sizes = new Map<string, number>();
    checkListed(isCommit(sha), sha);
    for await (const { type, path, size } of listFiles({ repo, revision: sha, recursive: true, ...access })) {
      checkListed(isContained(path), path);
      if (type === 'file') sizes.set(path, size);
    }
    const chosen = choose([...sizes.keys()]);
    const snapshot = join(getHFHubCachePath(), getRepoFolderName(repo), 'snapshots', sha);
    const missing = chosen.filter((path) => !existsSync(join(snapshot, path)));
    await makeRoom(
      repo,
      missing.reduce((sum, path) => sum + sizes.get(path)!, 0),
    );
    const files: string[] = [];
    for (const path of chosen) {
      files.push(await downloadFileToCacheDir({ repo, path, revision: sha, fetch: checkedFetch, ...access }));
    }
    return files;
  } catch (error) {
    // Any other error of the library is the hub's, the connection's or the cache's.
    if (error instanceof InputError) throw error;
    throw hubError(`${repo.type} "${repo.name}" (${revision})`, error as Error);
  }
}

/** Address and token for the hub. @throws InputError for an address with a password, and for an invalid token */
export const hubAccess = () => ({ hubUrl: readAddress('HF_ENDPOINT'), accessToken: readSecret('HF_TOKEN')?.reveal() });
/** Checks a commit, path or hash from the hub, which becomes a path in the cache. @throws InputError if it is outside the cache */
export function checkListed(isValid: boolean, listed: string): void {
  if (isValid) return;
  throw new InputError(
    `The Hugging Face hub lists "${listed}", which would be a path outside the cache: check HF_ENDPOINT.`,
  );
}

/** Checks the hash that the hub returns for a file, since the library uses it as a file name without a check. */
export const checkedFetch: typeof fetch = async (request, init) => {
  const response = await fetch(request, init);
  if (!response.ok || !/\/paths-info\//.test(String(request))) return response;
  for (const { oid, xetHash, lfs } of (await response.clone().json()) as Listed[]) {
    for (const hash of [oid, xetHash, lfs?.oid]) if (hash !== undefined) checkListed(/^[\w-][\w.-]*$/.test(hash), hash);
  }
  return response;
};

type Listed = { oid?: string; xetHash?: string; lfs?: { oid?: string } };

/** The hub answers that there is no such repository, revision or file. */
class NotOnHub extends InputError {}

/** The error for a request to the hub that failed. @param what was requested */
export function hubError(what: string, error: Error): InputError | HubFailed {
  if (error instanceof HubApiError && [401, 403, 404].includes(error.statusCode)) {
    return new (error.statusCode === 404 ? NotOnHub : InputError)(
      `The Hugging Face hub shows no ${what}; check the name, or set HF_TOKEN if it is private or gated.`,
    );
  }
  const reason = readSecret('HF_TOKEN')?.strip(error.message) ?? error.message;
  return new HubFailed(
    `Cannot get ${what} from the Hugging Face hub (${reason}); check the connection, or give a local path.`,
  );
}
