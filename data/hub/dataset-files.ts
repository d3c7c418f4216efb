/** Which Parquet files of a data set on the hub are those of a configuration and split. */
import { dirname } from 'node:path';
import { InputError } from '../errors.ts';
import type { DatasetPart } from './ids.ts';

const isParquet = (path: string) => path.endsWith('.parquet');

/** Of the hub's own conversion, which has files `config/split/0000.parquet`. @throws InputError that names the splits there are */
export function convertedFiles({ name, config, split }: DatasetPart, paths: string[]): string[] {
  const parquet = paths.filter(isParquet).sort();
  const configs = new Set(parquet.map((path) => path.split('/')[0]));
  const chosen = config ?? (configs.size === 1 ? [...configs][0] : 'default');
  const files = parquet.filter((path) => path.startsWith(`${chosen}/${split}/`));
  if (files.length > 0) return files;
  const splits = [...new Set(parquet.map((path) => dirname(path).replace('/', ':')))];
  throw new InputError(
    `Data set "${name}" has no "${chosen}:${split}"; name one of ${splits.join(', ')}, as ${name}/config:split.`,
  );
}

/**
 * Of the data set's own files, those that `load_dataset` finds by their names: the first of its forms that there is, in the order of its
 * patterns. The files of a configuration are in its folder, where `push_to_hub` writes them.
 * @throws InputError when there are none
 */
export function originalFiles({ name, config, split }: DatasetPart, paths: string[]): string[] {
  const folder = config === undefined || config === 'default' ? '' : `${config}/`;
  const parquet = paths.filter(isParquet).sort();
  const inFolder = parquet.filter((path) => path.startsWith(folder));
  const named = split.replaceAll(/[.-]/g, String.raw`\$&`);
  const forms = [`(data/)?${named}-\\d{5}-of-\\d{5}`, `(data/)?${named}/`, `(data/)?${named}[-._ 0-9][^/]*$`];
  for (const form of forms) {
    const files = inFolder.filter((path) => new RegExp(`^${form}`).test(path.slice(folder.length)));
    if (files.length > 0) return files;
  }
  const found =
    parquet.length === 0 ? '' : ` (found: ${parquet.slice(0, 5).join(', ')}${parquet.length > 5 ? ', …' : ''})`;
  throw new InputError(
    `The hub has no Parquet copy of data set "${name}", and its own files have no Parquet files of ` +
      `"${folder === '' ? '' : `${config}:`}${split}"${found}; download the data set, and give a file.`,
  );
}
