/** Data sets of the Hugging Face hub, in the hub cache. */
import type { RepoId } from '@huggingface/hub';
import { InputError } from '../errors.ts';
import { NotOnHub } from './access.ts';
import { convertedFiles, originalFiles } from './dataset-files.ts';
import { download } from './download.ts';
import { parseDatasetId } from './ids.ts';

/** The branch on which the hub has the data sets that it has converted as Parquet. */
const PARQUET_BRANCH = 'refs/convert/parquet';

/**
 * Downloads the Parquet files of hub data set `org/name[/config][:split]`, in order: the hub's conversion, or, of a data set that the hub
 * has not converted (most private ones), its own Parquet files. Default split: train.
 */
export async function downloadDataset(id: string): Promise<string[]> {
  const part = parseDatasetId(id);
  const repo: RepoId = { type: 'dataset', name: part.name };
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
