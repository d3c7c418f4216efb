/** Selects a run's prompts: training prompts, held-out prompts, and prompts that are dropped as duplicates or too long. */
import { InputError } from '../../data/errors.ts';
import { promptsOf, readPrompts } from '../../data/prompts.ts';
import type { PromptRecord } from '../../data/records.ts';
import type { Spool } from '../../data/spool.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelConfig } from '../../engine/model-files/config.ts';
import { shuffled } from '../../data/random.ts';
import type { Ignored } from '../../engine/tokenizer/unwritten.ts';
import { countIgnored, type IgnoredCounts } from './ignored.ts';
import { heldOutLimit, LengthCheck, trainingLimit, type LengthSettings } from './limits.ts';
import { PromptReader, type PromptTokenizer, type ReadPrompt } from './reader.ts';
import type { StoredPrompts } from './stored.ts';

export interface PromptSettings {
  train: string;
  /** A file, or the number of prompts to hold out of the training file. */
  heldOut: string | number;
  perRound?: number;
  /** What to do with prompts that are too long. Default: drop. */
  tooLong?: 'drop' | 'fail';
}

/** How many prompts of a file are dropped, and why. */
interface Dropped {
  /** Prompts with the same tokens as an earlier prompt of the file. */
  duplicates: number;
  tooLong: number;
  /** The longest permitted prompt, in tokens. */
  limit: number;
}

/** Also counts prompts that are used, but from which the chat template leaves something out. */
export interface DroppedPrompts extends IgnoredCounts {
  /** `heldOut`: training prompts that are also held-out prompts (compared after normalization). */
  train: Dropped & { heldOut: number };
  heldOut: Dropped;
}

export interface CheckedPrompts {
  /** Training prompts: indices in the spool, in the order in which rounds take them. */
  train: number[];
  heldOut: PromptRecord[];
  dropped: DroppedPrompts;
  /** Token counts of the training file's prompts that are not dropped. */
  tokens: { mean: number; longest: number };
}

export interface PromptCheck {
  prompts: PromptSettings;
  limits: LengthSettings;
  seed: number;
  /** Prompts that earlier runs have trained on. They are not held out. */
  used?: StoredPrompts[];
  /** Whether the used prompts may be trained on again. Default: they are excluded. */
  trainsOnUsed?: boolean;
  /** If `heldOut` is a number: the held-out prompts of earlier runs, which this run keeps. */
  heldBefore?: StoredPrompts;
  tokenizer: PromptTokenizer;
  config: ModelConfig;
}

/**
 * Tokenizes all prompts with the policy's tokenizer and selects those that the run uses. Prompts with the same tokens are duplicates;
 * the first one in the file is kept. Similar prompts are not duplicates, because one space can change the task. A training prompt must
 * not be a copy of a held-out prompt: that comparison also ignores white space and Unicode forms.
 * @param spool gets all prompts of the training file
 * @param check throws for a prompt that the run's labeler cannot use
 * @throws InputError when the chat template rejects a prompt, when one is too long and `tooLong` is 'fail', or when none is left
 */
export async function checkPrompts(
  input: PromptCheck,
  spool: Spool<PromptRecord>,
  options: CallOptions,
  check: (prompt: PromptRecord) => void = () => {},
): Promise<CheckedPrompts> {
  const { prompts, used = [], heldBefore } = input;
  const held = typeof prompts.heldOut === 'string' ? { file: prompts.heldOut, name: prompts.heldOut } : heldBefore;
  const heldRows = held ? await readPrompts(held.file) : [];
  let count = 0;
  for await (const prompt of promptsOf(prompts.train)) {
    spool.add(prompt);
    count++;
  }
  const total = used.reduce((sum, set) => sum + set.count, heldRows.length + count);
  const reader = new PromptReader(input.tokenizer, total, options);
  const heldOut = await readHeldOut(reader, input, heldRows, held?.name ?? prompts.train);
  const usedKeys = new PromptKeys();
  const trainedOn = await findUsed(reader, used, heldOut.keys, usedKeys);
  if (typeof prompts.heldOut === 'string') checkUnused(trainedOn, prompts.heldOut);
  const train = await readTraining(reader, input, spool.read(Array(count).keys()), heldOut, usedKeys, check);

  // Used prompts are removed after shuffling, so that the other prompts keep their order between runs.
  const order = shuffled([...train.texts.keys()], input.seed, 'prompts').filter((i) => train.texts[i] !== undefined);
  const isDrawn = typeof prompts.heldOut === 'number' && !heldBefore;
  const drawn = new Set(isDrawn ? draw(order, train, input, heldOut.length) : []);
  const drawnTexts = new Set([...drawn].map((i) => train.texts[i]));
  const others = order.filter((i) => !drawn.has(i));
  const left = others.filter((i) => !drawnTexts.has(train.texts[i]));
  const ignored = [...heldOut.ignored, ...[...left, ...drawn].map((i) => train.ignored.get(i) ?? [])];
  return {
    train: left,
    heldOut: isDrawn ? [...spool.read(drawn)] : heldOut.prompts,
    dropped: {
      train: { ...train.dropped, heldOut: train.dropped.heldOut + others.length - left.length },
      heldOut: {
        duplicates: heldRows.length - heldOut.length.count - heldOut.prompts.length,
        tooLong: heldOut.length.count,
        limit: heldOut.length.limit,
      },
      ...countIgnored(ignored),
    },
    tokens: train.tokens,
  };
}

/** Prompts by their tokens and by their texts. */
class PromptKeys {
  /** The places of the prompts, in their order. */
  readonly places: string[] = [];
  readonly tokens = new Map<string, string>();
  private readonly texts = new Map<string, string>();

  add({ tokenKey, textKey, place }: ReadPrompt): void {
    this.places.push(place);
    if (!this.tokens.has(tokenKey)) this.tokens.set(tokenKey, place);
    if (!this.texts.has(textKey)) this.texts.set(textKey, place);
  }

  /** The place of the first prompt that equals this one, in its tokens or after normalization. */
  find({ tokenKey, textKey }: ReadPrompt): string | undefined {
    return this.tokens.get(tokenKey) ?? this.texts.get(textKey);
  }

  has(read: ReadPrompt): boolean {
    return this.find(read) !== undefined;
  }
}

interface HeldOut {
  prompts: PromptRecord[];
  keys: PromptKeys;
  length: LengthCheck;
  /** What the chat template ignores of each prompt. */
  ignored: Ignored[][];
}

async function readHeldOut(
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

/**
 * Reads the prompts that earlier runs have trained on.
 * @param held the keys of held-out prompts
 * @param keys receives the keys of the used prompts
 * @returns the places of the held-out prompts that are among them, in their order
 */
async function findUsed(
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
function checkUnused([first, ...more]: string[], file: string): void {
  if (first === undefined) return;
  const others = more.length;
  const all = others === 0 ? 'it' : `it and on ${others} other${others === 1 ? '' : 's'}`;
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

interface Training {
  /** Text keys of possible training prompts, by index in the file. */
  texts: (string | undefined)[];
  /** Indices of possible training prompts that are too long to be held out. */
  tooLongToHoldOut: Set<number>;
  /** Indices of possible training prompts that earlier runs have trained on. */
  used: Set<number>;
  /** What the chat template ignores, by index of the prompt, of prompts from which it leaves something out. */
  ignored: Map<number, Ignored[]>;
  dropped: DroppedPrompts['train'];
  tokens: CheckedPrompts['tokens'];
}

async function readTraining(
  reader: PromptReader,
  { prompts: { train, heldOut, tooLong = 'drop' }, config, limits, trainsOnUsed = false }: PromptCheck,
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
    dropped: { ...dropped, tooLong: length.count, limit: length.limit },
    tokens: { mean: tokens / Math.max(1, kept), longest },
  };
}

/** The first prompts of `order` that can be held out. @throws InputError when there are too few */
function draw(
  order: number[],
  { tooLongToHoldOut, used }: Training,
  { prompts: { train, heldOut } }: PromptCheck,
  { reason }: LengthCheck,
) {
  const fit = order.filter((i) => !tooLongToHoldOut.has(i) && !used.has(i)).slice(0, heldOut as number);
  if (fit.length === heldOut || fit.length === order.length) return fit;
  const reasons = [
    ...(tooLongToHoldOut.size === 0 ? [] : [`have ${reason.replace('more', 'more tokens')}`]),
    ...(used.size === 0 ? [] : ['were trained on by an earlier run']),
  ];
  throw new InputError(
    `Only ${fit.length} prompts of ${train} can be held out, and prompts.heldOut is ${heldOut}: ` +
      `the others ${reasons.join(' or ')}.`,
  );
}
