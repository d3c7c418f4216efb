/** Hashes that identify models by their files' contents, in whatever folder they are. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile, hashValue } from '../../artifacts/hash.ts';
import type { Policy } from '../protocol/jobs.ts';

const MODEL_FILES = /\.(json|safetensors|jinja|model|txt)$/;

/** A hash of the files of a model or adapter folder: weights, configuration, tokenizer and templates. */
export async function fingerprintOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => MODEL_FILES.test(name)).sort();
  return hashValue(await Promise.all(names.map(async (name) => [name, await hashFile(join(folder, name))])));
}

/** A hash of everything in a policy that its responses depend on. */
export async function policyHash({ model, adapter, chatTemplate }: Policy): Promise<string> {
  const files = [await fingerprintOf(model), adapter === undefined ? null : await fingerprintOf(adapter)];
  return hashValue([...files, ...(chatTemplate ? [chatTemplate] : [])]);
}
