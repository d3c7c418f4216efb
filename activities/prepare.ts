/** prepare: the inputs of a run, checked and stored before anything is computed. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { canonicalJson } from '../artifacts/hash.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { inTurns } from '../data/in-turns.ts';
import { writeJsonl } from '../data/jsonl.ts';
import type { PromptRecord } from '../data/records.ts';
import { Spool } from '../data/spool.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { createLabeler } from '../labelers/index.ts';
import { importPolicy, openPolicyArtifact, TOKENIZER_FILES } from './policy.ts';
import { checkPrompts, type DroppedPrompts, type PromptSettings, type StoredPrompts } from './prompt-check.ts';
import { equalPortions, portionsOfWhatIsLeft } from './prompt-portions.ts';
import type { PromptChecks } from './recheck.ts';
import { isPolicyName } from '../artifacts/names.ts';
import { findRelease, releasesOf } from './release.ts';
import { readSummary, runStep, type Rooms, type Step } from './step.ts';
import type { ChatTemplateSettings } from '../engine/protocol/jobs.ts';

export interface PrepareInput extends PromptChecks {
  model: string;
  adapter?: string;
  /** In place of the model's own, or its arguments. */
  chatTemplate?: ChatTemplateSettings;
  prompts: PromptSettings;
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
  dropped: DroppedPrompts;
  /** The release that the policy is from. */
  previous?: Address;
}

export const prepare: Step<PrepareInput, Prepared> = async (rooms, input, options) => {
  const { prompts, limits, label, secondJudge, seed, continues } = input;
  const { store, engine, cacheFolder } = rooms;
  const releases = continues === undefined ? [] : await releasesOf(store, continues);
  const [last] = releases;
  const policy = last ? await sameTemplate(store, last.release.policy, input) : await startPolicy(rooms, input);
  const { policy: opened } = await openPolicyArtifact(store, policy, TOKENIZER_FILES);
  const used = await inTurns(
    releases.flatMap(({ release }) => release.prompts),
    (set) => storedPrompts(store, set),
  );
  // One held-out set for all versions of a name: what they are worth can be compared.
  const heldBefore =
    last && typeof prompts.heldOut === 'number' ? await storedPrompts(store, last.release.heldOut) : undefined;
  // What the labeler cannot judge is said before anything is computed. It computes nothing here.
  const labeler = await createLabeler(label, { engine, cacheFolder, threads: 1 });
  const second = secondJudge && (await createLabeler(secondJudge, { engine, cacheFolder, threads: 1 }));

  const spool = new Spool<PromptRecord>(cacheFolder);
  try {
    const chosen = await checkPrompts(
      {
        prompts,
        limits,
        seed,
        used,
        heldBefore,
        tokenizer: loadTokenizer(opened.model, opened.chatTemplate),
        config: readModelConfig(opened.model),
      },
      spool,
      options,
      (prompt) => labeler.check?.(prompt),
    );
    for (const prompt of chosen.heldOut) {
      labeler.check?.(prompt);
      second?.check?.(prompt);
    }
    const portions =
      continues === undefined
        ? equalPortions(chosen.train, input, chosen.dropped.train)
        : portionsOfWhatIsLeft(chosen.train, input);
    const rounds: PromptSet[] = [];
    for (const portion of portions) rounds.push(await storePrompts(rooms, portion.length, () => spool.read(portion)));
    return {
      policy,
      heldOut: await storePrompts(rooms, chosen.heldOut.length, () => chosen.heldOut),
      rounds,
      dropped: chosen.dropped,
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
  throw new InputError(
    `The policy that the run starts from, ${policy.slice(0, 12)}, was trained with another chat template: leave out chatTemplate, or give that one.`,
  );
}

/** A set of prompts in the store. */
export async function storedPrompts(store: ArtifactStore, set: Address): Promise<StoredPrompts> {
  const { count } = await readSummary<{ count: number }>(store, set);
  return { file: join(await store.open(set), PROMPTS), name: `the stored prompts ${set.slice(0, 12)}`, count };
}

/** @param records gives them anew at every call */
async function storePrompts(rooms: Rooms, count: number, records: () => Iterable<PromptRecord>): Promise<PromptSet> {
  const hash = createHash('sha256');
  let hashed = 0;
  for (const record of records()) {
    hash.update(`${canonicalJson(record)}\n`);
    // Very many take a while: the worker must get to its heartbeats.
    if (++hashed % 1000 === 0) await setImmediate();
  }
  const recipe = { step: 'import-prompts', parameters: { sha256: hash.digest('hex') }, inputs: {}, seed: 0 };
  const { address } = await runStep(rooms, 'prompts', recipe, async (folder) => {
    await writeJsonl(join(folder, PROMPTS), records());
    return { count };
  });
  return { address, count };
}

export const PROMPTS = 'prompts.jsonl';
