/** The prompts of a held-out file. */
import type { PromptRecord } from '../../data/records.ts';
import type { Ignored } from '../../engine/tokenizer/unwritten.ts';
import { PromptKeys } from './keys.ts';
import { heldOutLimit, LengthCheck } from './limits.ts';
import type { PromptReader } from './reader.ts';
import type { PromptCheck } from './request.ts';

/** The prompts of a held-out file that are used, and the keys of all of them. */
export interface HeldOut {
  prompts: PromptRecord[];
  keys: PromptKeys;
  length: LengthCheck;
  /** What the chat template ignores of each prompt. */
  ignored: Ignored[][];
}

/**
 * Reads a held-out file's prompts: duplicates and those that are too long are not used, but no training prompt may be a copy of one.
 * @throws InputError when the chat template rejects a prompt, when one is too long and `tooLong` is 'fail', or when all are too long
 */
export async function readHeldOut(
  reader: PromptReader,
  { prompts: { tooLong = 'drop' }, ...input }: PromptCheck,
  rows: PromptRecord[],
  file: string,
): Promise<HeldOut> {
  const prompts: PromptRecord[] = [];
  const keys = new PromptKeys();
  const length = new LengthCheck(heldOutLimit(input.config, input.limits));
  const ignored: Ignored[][] = [];
  for (const [i, prompt] of rows.entries()) {
    const read = await reader.read(prompt, i, file);
    const isDuplicate = keys.tokens.has(read.tokenKey);
    keys.add(read);
    if (isDuplicate || length.refuses(read.length, read.place)) continue;
    prompts.push(prompt);
    ignored.push(read.ignored);
  }
  length.end(tooLong, file, prompts.length);
  return { prompts, keys, length, ignored };
}
