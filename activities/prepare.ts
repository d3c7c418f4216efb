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
}

export interface PromptSet {
  address: Address;
  count: number;
}

export interface Prepared {
  policy: Address;
  heldOut: PromptSet;
  /** The prompts of each round: no round sees those of another. */
  rounds: PromptSet[];
}

export const prepare: Step<PrepareInput, Prepared> = async (
  rooms,
  { model, adapter, prompts, label, rounds, seed },
) => {
  const policy = await importPolicy(rooms, model, adapter);
  const given = shuffled(await readPrompts(prompts.train), seed, 'prompts');
  const held =
    typeof prompts.heldOut === 'number' ? given.splice(0, prompts.heldOut) : await readPrompts(prompts.heldOut);
  const training = new Set(given.map(({ prompt }) => JSON.stringify(prompt)));
  const leaked = held.find(({ prompt }) => training.has(JSON.stringify(prompt)));
  if (leaked) {
    throw new InputError(
      `Held-out prompt "${leaked.id}" is among the training prompts of ${prompts.train}: remove it from one of them.`,
    );
  }
  const perRound = prompts.perRound ?? Math.floor(given.length / rounds);
  if (perRound < 1 || perRound * rounds > given.length) {
    throw new InputError(
      `${prompts.train} leaves ${given.length} prompts to train on, too few for ${rounds} rounds of ${Math.max(1, perRound)}: lower rounds, prompts.perRound or prompts.heldOut.`,
    );
  }
  // The labeler reads every prompt's constraints now: what it cannot check is said before anything is computed.
  const labeler = createLabeler(label);
  await labeler.judge([...held, ...given].map((prompt) => ({ prompt, answers: [] })));
  const portions = Array.from({ length: rounds }, (_, round) => given.slice(round * perRound, (round + 1) * perRound));
  return {
    policy: policy.address,
    heldOut: await storePrompts(rooms, held),
    rounds: await Promise.all(portions.map((portion) => storePrompts(rooms, portion))),
  };
};

async function storePrompts(rooms: Rooms, records: PromptRecord[]): Promise<PromptSet> {
  const recipe = { step: 'import-prompts', parameters: { sha256: hashValue(records) }, inputs: {}, seed: 0 };
  const { address } = await runStep(rooms, 'prompts', recipe, async (folder) => {
    await writeJsonl(join(folder, PROMPTS), records);
    return { count: records.length };
  });
  return { address, count: records.length };
}

export const PROMPTS = 'prompts.jsonl';
