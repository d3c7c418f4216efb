/** prepare: the inputs of a run, checked and stored before anything is computed. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '../artifacts/hash.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { promptsOf, readPrompts } from '../data/prompts.ts';
import type { PromptRecord } from '../data/records.ts';
import { Spool } from '../data/spool.ts';
import type { ChatTemplateSettings } from '../engine/model/chat-template-settings.ts';
import { shuffled } from '../engine/random.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import { importPolicy, openPolicyArtifact } from './policy.ts';
import { findRelease, isPolicyName, releasesOf } from './release.ts';
import { runStep, type Rooms, type Step } from './step.ts';

export interface PrepareInput {
  model: string;
  adapter?: string;
  /** In place of the model's own, or its arguments. */
  chatTemplate?: ChatTemplateSettings;
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
  const { prompts, label, secondJudge, seed, continues } = input;
  const releases = continues === undefined ? [] : await releasesOf(rooms.store, continues);
  const [last] = releases;
  const policy = last ? await sameTemplate(rooms.store, last.release.policy, input) : await startPolicy(rooms, input); // prettier-ignore
  const used = await textsOf(rooms.store, releases.flatMap(({ release }) => release.prompts)); // prettier-ignore
  // One held-out set for all versions of a name: what they are worth can be compared.
  const heldBefore =
    last && typeof prompts.heldOut === 'number' ? await readSet(rooms.store, last.release.heldOut) : [];
  const taken = new Set([...used, ...heldBefore.map(textOf)]);
  // What the labeler cannot judge is said before anything is computed. It computes nothing here.
  const { engine, cacheFolder } = rooms;
  const labeler = await createLabeler(label, { engine, cacheFolder, threads: 1 });
  const second = secondJudge && (await createLabeler(secondJudge, { engine, cacheFolder, threads: 1 }));

  const spool = new Spool<PromptRecord>(cacheFolder);
  try {
    const texts: string[] = [];
    for await (const prompt of promptsOf(prompts.train)) {
      const text = textOf(prompt);
      if (!taken.has(text)) labeler.check?.(prompt);
      texts.push(text);
      spool.add(prompt);
    }
    // All are shuffled, and then those left out that are taken: what is left keeps its order from run to run.
    const given = shuffled([...texts.keys()], seed, 'prompts').filter((place) => !taken.has(texts[place]));
    const held = await heldOutPrompts(prompts.heldOut, heldBefore, given, spool);
    for (const prompt of held) {
      labeler.check?.(prompt);
      second?.check?.(prompt);
    }
    const heldTexts = new Set(held.map(textOf));
    const leaks = new Set([...used, ...given.map((place) => texts[place])].filter((text) => heldTexts.has(text)));
    const leaked = held.find((prompt) => leaks.has(textOf(prompt)));
    if (leaked) {
      throw new InputError(
        `Held-out prompt "${leaked.id}" is among the training prompts of ${prompts.train}: remove it from one of them.`,
      );
    }
    const portions = continues === undefined ? equalPortions(given, input) : portionsOfWhatIsLeft(given, input);
    const rounds: PromptSet[] = [];
    for (const portion of portions) rounds.push(await storePrompts(rooms, portion.length, () => spool.read(portion)));
    return {
      policy,
      heldOut: await storePrompts(rooms, held.length, () => held),
      rounds,
      ...(last && { previous: last.address }),
    };
  } finally {
    spool.close();
  }
};

/** @throws InputError when the adapter is a version of a name and belongs to another model */
async function startPolicy(rooms: Rooms, input: PrepareInput): Promise<Address> {
  const { model, adapter, chatTemplate } = input;
  const isNamed = adapter !== undefined && isPolicyName(adapter) && !existsSync(adapter);
  const imported = await importPolicy(rooms, model, isNamed ? undefined : adapter, chatTemplate);
  if (!isNamed) return imported.address;
  const { policy } = await findRelease(rooms.store, adapter);
  const [own, named] = await Promise.all([imported.address, policy].map((at) => openPolicyArtifact(rooms.store, at)));
  if (own.base.fingerprint === named.base.fingerprint) return sameTemplate(rooms.store, policy, input);
  throw new InputError(`${adapter} belongs to the model ${named.base.source}, not to ${model}: give that model.`);
}

/**
 * A policy of an earlier run, which has the chat template that it was trained with.
 * @throws InputError when another one is configured
 */
async function sameTemplate(store: ArtifactStore, policy: Address, { chatTemplate }: PrepareInput): Promise<Address> {
  const { base } = await openPolicyArtifact(store, policy);
  if (!chatTemplate || canonicalJson(chatTemplate) === canonicalJson(base.chatTemplate ?? {})) return policy;
  throw new InputError(`The policy that the run starts from, ${policy.slice(0, 12)}, was trained with another chat template: leave out chatTemplate, or give that one.`); // prettier-ignore
}

/** Equal for prompts of the same text, and small where there are many: the first 96 bits of its hash. */
const textOf = ({ prompt }: PromptRecord) => createHash('sha256').update(JSON.stringify(prompt)).digest('base64').slice(0, 16); // prettier-ignore

const promptsFile = async (store: ArtifactStore, set: Address) => join(await store.open(set), PROMPTS);
const readSet = async (store: ArtifactStore, set: Address) => readPrompts(await promptsFile(store, set));

async function textsOf(store: ArtifactStore, sets: Address[]): Promise<Set<string>> {
  const texts = new Set<string>();
  for (const set of sets) {
    for await (const prompt of promptsOf(await promptsFile(store, set))) texts.add(textOf(prompt));
  }
  return texts;
}

/** @param given places in the spool; loses what is held out of it */
async function heldOutPrompts(heldOut: string | number, heldBefore: PromptRecord[], given: number[], spool: Spool<PromptRecord>) {
  if (typeof heldOut === 'string') return readPrompts(heldOut);
  return heldBefore.length > 0 ? heldBefore : [...spool.read(given.splice(0, heldOut))];
} // prettier-ignore

/** @throws InputError when there are too few prompts */
function equalPortions(given: number[], { prompts, rounds }: PrepareInput): number[][] {
  const perRound = prompts.perRound ?? Math.floor(given.length / rounds);
  if (perRound < 1 || perRound * rounds > given.length) {
    throw new InputError(
      `${prompts.train} leaves ${given.length} prompts to train on, too few for ${rounds} rounds of ${Math.max(1, perRound)}: lower rounds, prompts.perRound or prompts.heldOut.`,
    );
  }
  return Array.from({ length: rounds }, (_, round) => given.slice(round * perRound, (round + 1) * perRound));
}

/** At most the configured rounds, the last one with what is left. */
function portionsOfWhatIsLeft(given: number[], { prompts, rounds }: PrepareInput): number[][] {
  const perRound = prompts.perRound ?? Math.ceil(given.length / rounds);
  const count = Math.min(rounds, Math.ceil(given.length / Math.max(1, perRound)));
  return Array.from({ length: count }, (_, round) => given.slice(round * perRound, (round + 1) * perRound));
}

/** @param records gives them anew at every call */
async function storePrompts(rooms: Rooms, count: number, records: () => Iterable<PromptRecord>): Promise<PromptSet> {
  const hash = createHash('sha256');
  for (const record of records()) hash.update(`${canonicalJson(record)}\n`);
  const recipe = { step: 'import-prompts', parameters: { sha256: hash.digest('hex') }, inputs: {}, seed: 0 };
  const { address } = await runStep(rooms, 'prompts', recipe, async (folder) => {
    await writeJsonl(join(folder, PROMPTS), records());
    return { count };
  });
  return { address, count };
}

export const PROMPTS = 'prompts.jsonl';
