/** Restricts the adapters that clients can load to folders that the operator allows. */
import { copyFile, mkdir, realpath } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { exists, readFailure } from '../../data/file-errors.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../../engine/model-files/adapter-config.ts';
import { TEMPLATE_FILES } from '../../engine/tokenizer/template-files.ts';
import { Refused } from './refused.ts';

/** They are not in every adapter's folder. */
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json', ...TEMPLATE_FILES];

/**
 * Copies only an adapter's files, its chat template and its tokenizer among them. Symbolic links to files outside the allowed folders are not followed.
 * @param path the adapter's folder, inside one of the folders `allowed`
 * @param to the folder to create
 * @throws Refused when the adapter is outside the allowed folders, whether or not `path` exists
 * @throws InputError when the adapter cannot be read
 */
export async function copyAdapter(path: string, allowed: string[], to: string): Promise<void> {
  const folders = (await Promise.all(allowed.map(async (folder) => [resolve(folder), await realpath(folder)]))).flat();
  check(resolve(path), path, folders);
  await mkdir(to);
  for (const name of [ADAPTER_CONFIG, ADAPTER_WEIGHTS, ...TOKENIZER_FILES]) {
    if (TOKENIZER_FILES.includes(name) && !exists(join(path, name))) continue;
    const file = await realpath(join(path, name)).catch((error: unknown) => {
      throw readFailure(join(path, name), error, 'give a PEFT adapter folder');
    });
    check(file, path, folders);
    await mkdir(dirname(join(to, name)), { recursive: true });
    await copyFile(file, join(to, name));
  }
}

function check(file: string, path: string, folders: string[]): void {
  if (folders.some((folder) => isWithin(file, folder))) return;
  throw new Refused(
    400,
    `"${path}" is in none of the folders that adapters may be loaded from (selm serve --adapters).`,
    null,
    'lora_path',
  );
}

function isWithin(file: string, folder: string): boolean {
  const steps = relative(folder, file);
  return steps !== '..' && !steps.startsWith(`..${sep}`);
}
