/** prepare: the inputs of a run, checked and stored before anything is computed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hashValue } from '../artifacts/hash.ts';
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { readPrompts } from '../data/prompts.ts';
import type { PromptRecord } from '../data/records.ts';
import { shuffled } from '../engine/random.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import { importPolicy, openPolicyArtifact } from './policy.ts';
import { findRelease, isPolicyName, releasesOf } from './release.ts';
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
  /** Judges the held-out answers too. */
  secondJudge?: LabelSettings;
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
  const { model, adapter, prompts, label, secondJudge, seed, continues } = input;
  const releases = continues === undefined ? [] : await releasesOf(rooms.store, continues);
  const [last] = releases;
  const policy = last?.release.policy ?? (await startPolicy(rooms, model, adapter));
  const used = await readSets(rooms, releases.flatMap(({ release }) => release.prompts)); // prettier-ignore
  // One held-out set for all versions of a name: what they are worth can be compared.
  const heldBefore = last && typeof prompts.heldOut === 'number' ? await readSets(rooms, [last.release.heldOut]) : [];
  const taken = new Set([...used, ...heldBefore].map(textOf));
  const given = shuffled(await readPrompts(prompts.train), seed, 'prompts').filter(
    (prompt) => !taken.has(textOf(prompt)),
  );
  const held = await heldOutPrompts(prompts.heldOut, heldBefore, given);
  const training = new Set(given.map(textOf));
  used.forEach((prompt) => training.add(textOf(prompt)));
  const leaked = held.find((prompt) => training.has(textOf(prompt)));
  if (leaked) {
    throw new InputError(
      `Held-out prompt "${leaked.id}" is among the training prompts of ${prompts.train}: remove it from one of them.`,
    );
  }
  // What the labeler cannot judge is said before anything is computed. It computes nothing here.
  const { engine, cacheFolder } = rooms;
  const labeler = await createLabeler(label, { engine, cacheFolder, threads: 1 });
  for (const prompt of [...held, ...given]) labeler.check?.(prompt);
  if (secondJudge) {
    const second = await createLabeler(secondJudge, { engine, cacheFolder, threads: 1 });
    for (const prompt of held) second.check?.(prompt);
  }
  const portions = continues === undefined ? equalPortions(given, input) : portionsOfWhatIsLeft(given, input);
  return {
    policy,
    heldOut: await storePrompts(rooms, held),
    rounds: await Promise.all(portions.map((portion) => storePrompts(rooms, portion))),
    ...(last && { previous: last.address }),
  };
};

/** @throws InputError when the adapter is a version of a name and belongs to another model */
async function startPolicy(rooms: Rooms, model: string, adapter: string | undefined): Promise<Address> {
  const isNamed = adapter !== undefined && isPolicyName(adapter) && !existsSync(adapter);
  const imported = await importPolicy(rooms, model, isNamed ? undefined : adapter);
  if (!isNamed) return imported.address;
  const { policy } = await findRelease(rooms.store, adapter);
  const [own, named] = await Promise.all([imported.address, policy].map((at) => openPolicyArtifact(rooms.store, at)));
  if (own.base.fingerprint === named.base.fingerprint) return policy;
  throw new InputError(`${adapter} belongs to the model ${named.base.source}, not to ${model}: give that model.`);
}

const textOf = ({ prompt }: PromptRecord) => JSON.stringify(prompt);

async function readSets({ store }: Rooms, sets: Address[]): Promise<PromptRecord[]> {
  const records = await Promise.all(sets.map(async (set) => readPrompts(join(await store.open(set), PROMPTS))));
  return records.flat();
}

/** @param given loses what is held out of it */
async function heldOutPrompts(heldOut: string | number, heldBefore: PromptRecord[], given: PromptRecord[]) {
  if (typeof heldOut === 'string') return readPrompts(heldOut);
  return heldBefore.length > 0 ? heldBefore : given.splice(0, heldOut);
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
