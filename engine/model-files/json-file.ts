/** The JSON files of a model's folder. */
import { readFileSync } from 'node:fs';
import { InputError } from '../../data/errors.ts';
import { exists, readFailure } from '../../data/file-errors.ts';
import { isTooDeep } from '../../data/json.ts';

/** @throws InputError when the file cannot be read */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw readFailure(file, error);
  }
}

/** @throws InputError when the file is missing or is no JSON object */
export function readJson(file: string): Record<string, unknown> {
  const json = findJson(file);
  if (json) return json;
  throw new InputError(`${file} does not exist: give a Hugging Face model folder.`);
}

/** The file's content; undefined if there is no such file. @throws InputError when it is no JSON object */
export function findJson(file: string): Record<string, unknown> | undefined {
  if (!exists(file)) return undefined;
  const text = readText(file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file} is not JSON (${reasonOf(error)}): download it again.`);
  }
  if (isTooDeep(json)) throw new InputError(`${file} is nested too deep: download it again.`);
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new InputError(`${file} holds no JSON object: download it again.`);
}

/** The message of a library's error as a part of a sentence: its first line, without a full stop. */
export function reasonOf(error: unknown): string {
  const { message } = error as Error;
  const [line] = message.trim().split('\n');
  return (line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}…` : line).replace(/\.$/, '');
}
const MAX_REASON = 200;
