/** prepare: the inputs of a run, checked and stored before anything is computed. */
import { join } from 'node:path';
import { hashValue } from '../artifacts/hash.ts';
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { readPrompts } from '../data/prompts.ts';
import type { PromptRecord } from '../data/records.ts';
import { shuffled } from '../engine/random.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import { importPolicy } from './policy.ts';
import { releasesOf, type Release } from './release.ts';
import { runStep, type Rooms, type Step } from './step.ts';

export interface PrepareInput {
  model: string;
  adapter?: string;
  prompts: {
    train: string;
    /** A file, or how many prompts to hold out of the training file. */
    heldOut: string | number;
    perRound?: number;
  };
  label: LabelSettings;
  rounds: number;
  seed: number;
  /** Goes on from the last release of this name, where it has one, with prompts that none of its releases has used. */
  continues?: string;
}

export interface PromptSet {
  address: Address;
  count: number;
}

export interface Prepared {
  policy: Address;
  heldOut: PromptSet;
  /** The prompts of each round: no round sees those of another. None where all prompts are used. */
  rounds: PromptSet[];
  /** The release that the policy is from. */
  previous?: Address;
}

export const prepare: Step<PrepareInput, Prepared> = async (rooms, input) => {
  const { model, adapter, prompts, label, seed, continues } = input;
  const releases = continues === undefined ? [] : await releasesOf(rooms, continues);
  const policy = releases[0]?.release.policy ?? (await importPolicy(rooms, model, adapter)).address;
  const used = await usedPrompts(rooms, releases);
  const given = shuffled(await readPrompts(prompts.train), seed, 'prompts').filter(
    (prompt) => !used.has(textOf(prompt)),
  );
  const held =
    typeof prompts.heldOut === 'number' ? given.splice(0, prompts.heldOut) : await readPrompts(prompts.heldOut);
  const training = new Set(given.map(textOf));
  const leaked = held.find((prompt) => training.has(textOf(prompt)) || used.has(textOf(prompt)));
  if (leaked) {
    throw new InputError(
      `Held-out prompt "${leaked.id}" is among the training prompts of ${prompts.train}: remove it from one of them.`,
    );
  }
  // The labeler reads every prompt's constraints now: what it cannot check is said before anything is computed.
  const labeler = createLabeler(label);
  await labeler.judge([...held, ...given].map((prompt) => ({ prompt, answers: [] })));
  const portions = continues === undefined ? equalPortions(given, input) : portionsOfWhatIsLeft(given, input);
  return {
    policy,
    heldOut: await storePrompts(rooms, held),
    rounds: await Promise.all(portions.map((portion) => storePrompts(rooms, portion))),
    ...(releases[0] && { previous: releases[0].address }),
  };
};

const textOf = ({ prompt }: PromptRecord) => JSON.stringify(prompt);

async function usedPrompts({ store }: Rooms, releases: { release: Release }[]): Promise<Set<string>> {
  const sets = releases.flatMap(({ release }) => release.prompts);
  const records = await Promise.all(sets.map(async (set) => readPrompts(join(await store.open(set), PROMPTS))));
  return new Set(records.flat().map(textOf));
}

/** @throws InputError when there are too few prompts */
function equalPortions(given: PromptRecord[], { prompts, rounds }: PrepareInput): PromptRecord[][] {
  const perRound = prompts.perRound ?? Math.floor(given.length / rounds);
  if (perRound < 1 || perRound * rounds > given.length) {
    throw new InputError(
      `${prompts.train} leaves ${given.length} prompts to train on, too few for ${rounds} rounds of ${Math.max(1, perRound)}: lower rounds, prompts.perRound or prompts.heldOut.`,
    );
  }
  return Array.from({ length: rounds }, (_, round) => given.slice(round * perRound, (round + 1) * perRound));
}

/** At most the configured rounds, the last one with what is left. */
function portionsOfWhatIsLeft(given: PromptRecord[], { prompts, rounds }: PrepareInput): PromptRecord[][] {
  const perRound = prompts.perRound ?? Math.ceil(given.length / rounds);
  const count = Math.min(rounds, Math.ceil(given.length / Math.max(1, perRound)));
  return Array.from({ length: count }, (_, round) => given.slice(round * perRound, (round + 1) * perRound));
}

async function storePrompts(rooms: Rooms, records: PromptRecord[]): Promise<PromptSet> {
  const recipe = { step: 'import-prompts', parameters: { sha256: hashValue(records) }, inputs: {}, seed: 0 };
  const { address } = await runStep(rooms, 'prompts', recipe, async (folder) => {
    await writeJsonl(join(folder, PROMPTS), records);
    return { count: records.length };
  });
  return { address, count: records.length };
}

export const PROMPTS = 'prompts.jsonl';
