/** Hashes that identify models by their files' contents, in whatever folder they are. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile, hashValue } from '../../artifacts/hash.ts';
import { exists } from '../../data/file-errors.ts';
import { ADDITIONAL_TEMPLATES } from './additional-templates.ts';
import type { Policy } from '../protocol/jobs.ts';

const MODEL_FILES = /^[^/]+\.(json|safetensors|jinja|model|txt)$|^additional_chat_templates\/[^/]+\.jinja$/;

/**
 * A hash of the files of a model or adapter folder: weights, configuration, tokenizer and templates. A process reads a file once, as
 * long as it stays as it is, so that a step can check a model of many gigabytes before each use.
 */
export async function fingerprintOf(folder: string): Promise<string> {
  const more = join(folder, ADDITIONAL_TEMPLATES);
  const templates = exists(more) ? (await readdir(more)).map((name) => `${ADDITIONAL_TEMPLATES}/${name}`) : [];
  const names = [...(await readdir(folder)), ...templates].filter((name) => MODEL_FILES.test(name)).sort();
  return hashValue(await Promise.all(names.map(async (name) => [name, await knownHash(join(folder, name))])));
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
