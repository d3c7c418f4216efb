/** Composes prompts in the style of IFEval (Zhou et al. 2023, arXiv 2311.07911) from base prompts. */
import { counted } from '../../../data/counted.ts';
import { InputError } from '../../../data/errors.ts';
import { shuffled } from '../../../data/random.ts';
import type { TemplateFields, Text } from '../../../data/records.ts';
import { templateFields } from '../../../data/template-inputs.ts';
import { hasWords, normalizedWords, requestOf, withAddition, type BaseRow } from '../base.ts';
import { describeDroppedRows, drop, type Dropped } from '../dropped.ts';
import type { HeldOut } from '../held-out.ts';
import { Random } from '../random.ts';
import { conflict, kindIds, type KindId } from './conflicts.ts';
import { canBeMet } from './demands.ts';
import { composableKinds } from './kinds.ts';

/** A composed prompt, as the labeler `verifier` reads it. */
export interface ComposedPrompt extends TemplateFields {
  prompt: Text;
  instruction_id_list: KindId[];
  kwargs: object[];
  base_prompt: Text;
}

interface Base extends TemplateFields {
  text: Text;
  /** The text to which instructions are added. */
  request: string;
}

export interface Composed {
  prompts: ComposedPrompt[];
  /** Rows of base prompts that were read, and how many were dropped. */
  rows: number;
  dropped: Dropped;
  /** Base prompts in use. */
  bases: number;
}

/** How many of IFEval's 541 prompts have one, two and three instructions. */
const COUNTS = [305, 179, 57];
/** Share of the yes/no questions that ask for one of three answers. That kind suits no other base prompt, and no other kind suits it. */
const CONSTRAINED = 0.25;
const YES_NO =
  /^(?:am|are|can|could|did|do|does|has|have|is|may|might|must|should|was|were|will|would) (?!you\b|i\b|we\b|there anything)[^?]*\?$/iu;
/** Draws until arguments fit together. More are never needed, except with held-out texts that almost every prompt contains. */
const ATTEMPTS = 200;

/**
 * Composes `count` prompts: each base prompt in turn, in random order, with one to three instructions. The same rows, held-out prompts
 * and seed give the same prompts.
 * @throws InputError when no base prompt is left, or `count` different prompts cannot be composed
 */
export function composePrompts(
  rows: BaseRow[],
  heldOut: HeldOut,
  { count, seed }: { count: number; seed: number },
): Composed {
  const dropped: Dropped = {};
  const bases = shuffled(basesOf(rows, heldOut, dropped), 'prompts', 'base', seed);
  const prompts = new Map<string, ComposedPrompt>();
  for (let turn = 0; prompts.size < count && bases.length > 0; turn++) {
    const before = prompts.size;
    for (const base of bases) {
      if (prompts.size === count) break;
      const composed = compose(base, heldOut, { seed, turn, position: prompts.size, used: prompts });
      if (composed) prompts.set(normalizedWords(composed.prompt), composed);
    }
    if (prompts.size === before) break;
  }
  if (prompts.size < count) {
    throw new InputError(
      `Only ${prompts.size} of ${count} prompts can be composed from ${counted(rows.length, 'row')} (${describeDroppedRows(dropped) || 'none dropped'}); ` +
        'give more base prompts.',
    );
  }
  return { prompts: [...prompts.values()], rows: rows.length, dropped, bases: bases.length };
}

/** The usable base prompts, each once. Others are counted in `dropped`. */
function basesOf(rows: BaseRow[], heldOut: HeldOut, dropped: Dropped): Base[] {
  const bases = new Map<string, Base>();
  for (const { record, base } of rows) {
    const request = requestOf(base);
    const words = normalizedWords(base);
    const leak = heldOut.leakOf(base);
    if (record['base_prompt'] === undefined && record['instruction_id_list'] !== undefined)
      drop(dropped, 'hasInstructions');
    else if (!request) drop(dropped, 'notUser');
    else if (!hasWords(base)) drop(dropped, 'noWords');
    else if (leak) drop(dropped, leak);
    else if (bases.has(words)) drop(dropped, 'duplicate');
    else bases.set(words, { text: base, request, ...templateFields(record) });
  }
  return [...bases.values()];
}

interface Place {
  seed: number;
  /** How often the base prompt was used before. */
  turn: number;
  /** The number of prompts composed before. */
  position: number;
  /** Prompts composed before, by their words. */
  used: ReadonlyMap<string, unknown>;
}

function compose(base: Base, heldOut: HeldOut, { seed, turn, position, used }: Place): ComposedPrompt | undefined {
  const random = new Random('prompts', 'ifeval', seed, base.request, turn);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const ids = drawKinds(random, base.request, firstKind(seed, position));
    const composed = withInstructions(random, base, ids);
    if (composed && !heldOut.isIn(composed.prompt) && !used.has(normalizedWords(composed.prompt))) return composed;
  }
  return undefined;
}

/** The first kind of a prompt: in every 24 prompts each kind once, in random order, except the one for yes/no questions. */
function firstKind(seed: number, position: number): KindId {
  const ids = kindIds.filter((id) => id !== 'detectable_format:constrained_response');
  const block = Math.floor(position / ids.length);
  return shuffled(ids, 'prompts', 'kinds', seed, block)[position % ids.length];
}

/** One to three kinds that do not conflict, in random order. `combination:repeat_prompt` is the last. */
function drawKinds(random: Random, request: string, first: KindId): KindId[] {
  if (YES_NO.test(request) && random.chance(CONSTRAINED)) return ['detectable_format:constrained_response'];
  const ids = [first];
  const wanted = drawCount(random);
  while (ids.length < wanted) {
    const left = kindIds.filter((id) => ids.every((other) => !conflict(id, other)));
    if (left.length === 0) break;
    ids.push(random.pick(left));
  }
  const order = random.sample(ids, ids.length);
  return [...order.filter((id) => !isRepetition(id)), ...order.filter(isRepetition)];
}

/** It refers to all of the prompt before it, and therefore is the last instruction. */
const isRepetition = (id: KindId) => id === 'combination:repeat_prompt';

/** A number of instructions, distributed as in IFEval. */
function drawCount(random: Random): number {
  let left = random.integer(
    1,
    COUNTS.reduce((sum, share) => sum + share),
  );
  return 1 + COUNTS.findIndex((share) => (left -= share) <= 0);
}

/** The base prompt with instructions of these kinds; undefined if the drawn arguments do not fit together. */
function withInstructions(random: Random, base: Base, ids: KindId[]): ComposedPrompt | undefined {
  let request = base.request;
  const demands = [];
  const kwargs: object[] = [];
  for (const id of ids) {
    const kind = composableKinds[id];
    const drawn = kind.draw(random, base.request);
    demands.push(kind.demands?.(drawn) ?? {});
    if (isRepetition(id)) demands.push({ contains: [request] });
    kwargs.push(isRepetition(id) ? { prompt_to_repeat: request } : drawn);
    const wordings = kind.say(drawn);
    // More than half of the instructions are in the authors' own words.
    request += separatorAfter(request, random) + (random.chance(0.5) ? wordings[0] : random.pick(wordings));
  }
  if (!canBeMet(demands)) return undefined;
  return {
    prompt: withAddition(base.text, request.slice(base.request.length)),
    instruction_id_list: ids,
    kwargs,
    base_prompt: base.text,
    ...templateFields(base),
  };
}

/** A new line after a text that has lines or does not end as a sentence does; otherwise usually a space. */
function separatorAfter(text: string, random: Random): string {
  if (/\n[^\n]+$/u.test(text) || !/[.!?"”)\]]$/u.test(text)) return '\n';
  return random.chance(0.75) ? ' ' : '\n';
}
