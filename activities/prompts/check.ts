/** Selects a run's prompts: training prompts, held-out prompts, and prompts that are dropped as duplicates or too long. */
import { counted } from '../../data/counted.ts';
import { InputError } from '../../data/errors.ts';
import { promptsOf, readPrompts } from '../../data/prompts.ts';
import { shuffled } from '../../data/random.ts';
import type { PromptRecord } from '../../data/records.ts';
import type { Spool } from '../../data/spool.ts';
import { tally } from '../../data/tally.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import { readHeldOut } from './held-out.ts';
import { countIgnored } from './ignored.ts';
import { PromptKeys } from './keys.ts';
import type { LengthCheck } from './limits.ts';
import { PromptReader } from './reader.ts';
import type { DroppedPrompts, PromptCheck } from './request.ts';
import { checkUnused, findUsed } from './trained-on.ts';
import { readTraining, type Training } from './training.ts';

export interface CheckedPrompts {
  /** Training prompts: indices in the spool, in the order in which rounds take them. */
  train: number[];
  heldOut: PromptRecord[];
  dropped: DroppedPrompts;
  /** Token counts of the training file's prompts that are not dropped. */
  tokens: Training['tokens'];
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
  const shared = left.flatMap((i) => train.benchmarks.get(i) ?? []);
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
      ...(shared.length > 0 && { ofBenchmarks: tally(shared) }),
    },
    tokens: train.tokens,
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
    `Only ${counted(fit.length, 'prompt')} of ${train} can be held out, and prompts.heldOut is ${heldOut}: ` +
      `the others ${reasons.join(' or ')}.`,
  );
}
