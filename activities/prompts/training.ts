/** The prompts of a training file that a run can use. */
import type { PromptRecord } from '../../data/records.ts';
import type { Ignored } from '../../engine/tokenizer/unwritten.ts';
import type { HeldOut } from './held-out.ts';
import type { PromptKeys } from './keys.ts';
import { LengthCheck, trainingLimit } from './limits.ts';
import type { PromptReader } from './reader.ts';
import type { DroppedPrompts, PromptCheck } from './request.ts';

/** What is known of a training file's prompts. */
export interface Training {
  /** Text keys of possible training prompts, by index in the file. */
  texts: (string | undefined)[];
  /** Indices of possible training prompts that are too long to be held out. */
  tooLongToHoldOut: Set<number>;
  /** Indices of possible training prompts that earlier runs have trained on. */
  used: Set<number>;
  /** What the chat template ignores, by index of the prompt, of prompts from which it leaves something out. */
  ignored: Map<number, Ignored[]>;
  /** The benchmarks that have a prompt, too, by index of the prompt. */
  benchmarks: Map<number, string[]>;
  dropped: DroppedPrompts['train'];
  tokens: { mean: number; longest: number };
}

/**
 * Reads a training file's prompts.
 * @param usedKeys the keys of prompts that earlier runs have trained on
 * @param check throws for a prompt that the run's labeler cannot use
 * @throws InputError when the chat template rejects a prompt, when one is too long and `tooLong` is 'fail', or when all are too long
 */
export async function readTraining(
  reader: PromptReader,
  { prompts: { train, heldOut, tooLong = 'drop' }, config, limits, trainsOnUsed = false, benchmarks = [] }: PromptCheck,
  rows: Iterable<PromptRecord>,
  held: HeldOut,
  usedKeys: PromptKeys,
  check: (prompt: PromptRecord) => void,
): Promise<Training> {
  const length = new LengthCheck(trainingLimit(config, limits));
  const seen = new Set<string>();
  const texts: Training['texts'] = [];
  const [tooLongToHoldOut, used] = [new Set<number>(), new Set<number>()];
  const ignored = new Map<number, Ignored[]>();
  const shared = new Map<number, string[]>();
  const dropped = { duplicates: 0, heldOut: 0 };
  let [kept, tokens, longest] = [0, 0, 0];
  for (const prompt of rows) {
    const i = texts.push(undefined) - 1;
    const read = await reader.read(prompt, i, train);
    const { tokenKey } = read;
    if (seen.has(tokenKey)) {
      dropped.duplicates++;
      continue;
    }
    seen.add(tokenKey);
    // An earlier run has drawn them from the same file, for training or as held-out prompts. They do not count as dropped.
    const isUsed = usedKeys.tokens.has(tokenKey) && !trainsOnUsed;
    if (isUsed || (typeof heldOut === 'number' && held.keys.tokens.has(tokenKey))) continue;
    if (held.keys.has(read)) {
      dropped.heldOut++;
      continue;
    }
    if (length.refuses(read.length, read.place)) continue;
    check(prompt);
    texts[i] = read.textKey;
    if (read.length > held.length.limit) tooLongToHoldOut.add(i);
    if (usedKeys.has(read)) used.add(i);
    if (read.ignored.length > 0) ignored.set(i, read.ignored);
    const sharing = benchmarks.filter(({ keys }) => keys.has(read)).map(({ name }) => name);
    if (sharing.length > 0) shared.set(i, sharing);
    kept++;
    tokens += read.length;
    longest = Math.max(longest, read.length);
  }
  length.end(tooLong, train, texts.length - length.count - dropped.duplicates);
  return {
    texts,
    tooLongToHoldOut,
    used,
    ignored,
    benchmarks: shared,
    dropped: { ...dropped, tooLong: length.count, limit: length.limit },
    tokens: { mean: tokens / Math.max(1, kept), longest },
  };
}
