/** Which held-out prompts earlier runs have trained on. */
import { counted } from '../../data/counted.ts';
import { InputError } from '../../data/errors.ts';
import { promptsOf } from '../../data/prompts.ts';
import type { PromptRecord } from '../../data/records.ts';
import { PromptKeys } from './keys.ts';
import { PromptReader, type PromptTokenizer } from './reader.ts';
import type { StoredPrompts } from './stored.ts';

/**
 * Reads the prompts that earlier runs have trained on.
 * @param held the keys of held-out prompts
 * @param keys receives the keys of the used prompts
 * @returns the places of the held-out prompts that are among them, in their order
 */
export async function findUsed(
  reader: PromptReader,
  used: StoredPrompts[],
  held: PromptKeys,
  keys = new PromptKeys(),
): Promise<string[]> {
  const found = new Set<string>();
  for (const { file, name } of used) {
    let i = 0;
    for await (const prompt of promptsOf(file)) {
      const read = await reader.read(prompt, i++, name);
      keys.add(read);
      const place = held.find(read);
      if (place !== undefined) found.add(place);
    }
  }
  return held.places.filter((place) => found.has(place));
}

/** @throws InputError when an earlier run has trained on a prompt of the held-out file */
export function checkUnused([first, ...more]: string[], file: string): void {
  if (first === undefined) return;
  const others = more.length;
  const all = others === 0 ? 'it' : `it and on ${counted(others, 'other')}`;
  throw new InputError(
    `${first} is held out, but an earlier run has trained on ${all}: remove ${others === 0 ? 'it' : 'them'} from ${file}.`,
  );
}

/** The number of prompts, not counting repeated ones, that earlier runs have trained on. */
export async function countTrainedOn(
  tokenizer: PromptTokenizer,
  { prompts, file, used }: { prompts: PromptRecord[]; file: string; used: StoredPrompts[] },
): Promise<number> {
  const total = used.reduce((sum, { count }) => sum + count, prompts.length);
  const reader = new PromptReader(tokenizer, total, {});
  const keys = new PromptKeys();
  for (const [i, prompt] of prompts.entries()) keys.add(await reader.read(prompt, i, file));
  return (await findUsed(reader, used, keys)).length;
}
