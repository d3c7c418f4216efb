/** Hashes that identify models by their files' contents, in whatever folder they are. */
import { statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile, hashValue } from '../../artifacts/hash.ts';
import { exists } from '../../data/file-errors.ts';
import { ADDITIONAL_TEMPLATES, MODEL_FILES, ONNX_EXPORT } from '../../data/model-files.ts';
import type { Policy } from '../protocol/jobs.ts';

/**
 * A hash of the files of a model or adapter folder. A process reads a file once, as long as it stays as it is, so that a step can check
 * a model of many gigabytes before each use.
 * @param files matches the paths of the files. Default: weights, configuration, tokenizer and templates
 */
export async function fingerprintOf(folder: string, files = MODEL_FILES): Promise<string> {
  const paths = (await pathsIn(folder)).filter((path) => files.test(path)).sort();
  return hashValue(await Promise.all(paths.map(async (path) => [path, await knownHash(join(folder, path))])));
}

/** What is in a model's folder, and in those of its folders that selm reads. */
async function pathsIn(folder: string): Promise<string[]> {
  const paths = await readdir(folder);
  for (const name of [ADDITIONAL_TEMPLATES, ONNX_EXPORT]) {
    const inside = join(folder, name);
    if (!exists(inside) || !statSync(inside).isDirectory()) continue;
    paths.push(...(await readdir(inside)).map((file) => `${name}/${file}`));
  }
  return paths;
}

/** The same hash, of files in a store. @param files of the whole model, by their paths in its folder */
export function fingerprintFrom(files: { path: string; sha256: string }[]): string {
  const own = files.filter(({ path }) => MODEL_FILES.test(path));
  const byName = own.sort((a, b) => (a.path < b.path ? -1 : 1));
  return hashValue(byName.map(({ path, sha256 }) => [path, sha256]));
}

/** Hashes by path, with what changes when the file's bytes do. */
const hashes = new Map<string, { version: string; hash: string }>();

async function knownHash(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const version = [dev, ino, size, mtimeNs, ctimeNs].join();
  const known = hashes.get(path);
  if (known?.version === version) return known.hash;
  const hash = await hashFile(path);
  hashes.set(path, { version, hash });
  return hash;
}

/** A hash of everything in a policy that its responses depend on. */
export async function policyHash({ model, adapter, chatTemplate }: Policy): Promise<string> {
  const files = [await fingerprintOf(model), adapter === undefined ? null : await fingerprintOf(adapter)];
  return hashValue([...files, ...(chatTemplate ? [chatTemplate] : [])]);
}
