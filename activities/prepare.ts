/** prepare: checks and stores the inputs of a run before anything is computed. */
import { existsSync } from 'node:fs';
import { copyModel } from '../artifacts/copy-model.ts';
import { canonicalJson } from '../artifacts/hash.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Benchmark } from '../config/benchmarks.ts';
import { InputError } from '../data/errors.ts';
import { isOnHub } from '../data/hub/models.ts';
import { inTurns } from '../data/in-turns.ts';
import { TOKENIZER_FILES } from '../data/model-files.ts';
import type { PromptRecord } from '../data/records.ts';
import { Spool } from '../data/spool.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { checkBenchmark } from './benchmarks/check.ts';
import { labelersForChecks } from './label-tools.ts';
import { importGuidance } from './people/guidance.ts';
import { copyOptions, importPolicy, openPolicyArtifact, readBase, type PolicyUse } from './policy.ts';
import { checkPrompts } from './prompts/check.ts';
import type { DroppedPrompts, PromptSettings } from './prompts/request.ts';
import { equalPortions, portionsOfWhatIsLeft } from './prompts/portions.ts';
import type { PromptChecks } from './recheck.ts';
import { isPolicyName } from '../artifacts/names.ts';
import { findRelease, releasesBehind, releasesOf } from './release.ts';
import type { CallOptions, ChatTemplateSettings } from '../engine/protocol/jobs.ts';
import { importPrompts, storedPrompts } from './prompts/stored.ts';
import { usedPrompts } from './prompts/used.ts';
import type { Activity, StepContext } from './step.ts';

export interface PrepareInput extends PromptChecks {
  model: string;
  adapter?: string;
  /** A chat template in place of the model's, or arguments of the template. */
  chatTemplate?: ChatTemplateSettings;
  prompts: PromptSettings;
  rounds: number;
  seed: number;
  use?: PolicyUse;
  /** The benchmarks of `evaluate.benchmarks`. */
  benchmarks?: Benchmark[];
  /**
   * A run's name. The start policy is its last release, if it has one. The prompts of all its releases, and of those behind the start
   * policy, are excluded.
   */
  continues?: string;
}

/** A set of prompts in the store. */
export interface PromptSet {
  address: Address;
  count: number;
}

/** The checked inputs of a run. */
export interface Prepared {
  policy: Address;
  heldOut: PromptSet;
  /** The prompts of each round, disjoint. Empty if earlier runs have used all prompts. */
  rounds: PromptSet[];
  dropped: DroppedPrompts;
  /** The release that the start policy belongs to. */
  previous?: Address;
}

/**
 * Imports the start policy and selects the prompts of all rounds.
 * @throws InputError when the policy or the prompts cannot be used
 */
export const prepare: Activity<PrepareInput, Prepared> = async (context, input, options) => {
  const { prompts, limits, guidance, seed, continues, benchmarks = [] } = input;
  const { store, cacheFolder } = context;
  const own = continues === undefined ? [] : await releasesOf(store, continues);
  const [last] = own;
  const policy = last
    ? await sameTemplate(store, last.release.policy, input, options)
    : await startPolicy(context, input, options);
  const { policy: opened } = await openPolicyArtifact(store, policy, TOKENIZER_FILES);
  const releases = last ? own : await releasesBehind(store, input);
  const [previous] = releases;
  const used = await usedPrompts(store, releases);
  // All versions of a name have the same held-out prompts, so that their results can be compared.
  const heldBefore =
    last && typeof prompts.heldOut === 'number' ? await storedPrompts(store, last.release.heldOut) : undefined;
  if (guidance) await importGuidance(context, guidance, options);
  const files = {
    tokenizer: loadTokenizer(opened.model, opened.chatTemplate),
    config: readModelConfig(opened.model),
  };
  // They run after the start policy is measured.
  const checked = await inTurns(benchmarks, (benchmark) => checkBenchmark(benchmark, files, options));
  const labelers = await labelersForChecks(context, input, options);

  const spool = new Spool<PromptRecord>(cacheFolder);
  try {
    const chosen = await checkPrompts(
      {
        prompts,
        limits,
        seed,
        used,
        trainsOnUsed: continues === undefined,
        heldBefore,
        benchmarks: checked,
        ...files,
      },
      spool,
      options,
      (prompt) => labelers.training.forEach((one) => one.check?.(prompt)),
    );
    for (const prompt of chosen.heldOut) for (const one of labelers.heldOut) one.check?.(prompt);
    const portions =
      continues === undefined
        ? equalPortions(chosen.train, input, chosen.dropped.train)
        : portionsOfWhatIsLeft(chosen.train, input);
    const rounds: PromptSet[] = [];
    for (const portion of portions) rounds.push(await storePrompts(context, portion.length, () => spool.read(portion)));
    return {
      policy,
      heldOut: await storePrompts(context, chosen.heldOut.length, () => chosen.heldOut),
      rounds,
      dropped: chosen.dropped,
      ...(previous && { previous: previous.address }),
    };
  } finally {
    spool.close();
  }
};

/** @throws InputError when the adapter is a released version that belongs to another model */
async function startPolicy(context: StepContext, input: PrepareInput, options: CallOptions): Promise<Address> {
  const { model, adapter, chatTemplate, use } = input;
  const isNamed = adapter !== undefined && isPolicyName(adapter) && !existsSync(adapter);
  const imported = await importPolicy(context, model, isNamed ? undefined : adapter, chatTemplate, use, options);
  if (!isNamed) return imported.address;
  const { policy } = await findRelease(context.store, adapter);
  const [own, named] = await Promise.all([imported.address, policy].map((at) => readBase(context.store, at)));
  if (own.fingerprint === named.fingerprint) return sameTemplate(context.store, policy, input, options);
  throw new InputError(`${adapter} belongs to the model ${named.source}, not to ${model}: give that model.`);
}

/**
 * Checks that a policy of an earlier run keeps the chat template that it was trained with, and that the store has its base model.
 * @throws InputError when another template is configured
 */
async function sameTemplate(
  store: ArtifactStore,
  policy: Address,
  { chatTemplate }: PrepareInput,
  options: CallOptions,
): Promise<Address> {
  const base = await readBase(store, policy);
  if (chatTemplate && canonicalJson(chatTemplate) !== canonicalJson(base.chatTemplate ?? {})) {
    throw new InputError(
      `The start policy ${policy.slice(0, 12)} was trained with another chat template: ` +
        'leave out chatTemplate, or configure that one.',
    );
  }
  if (store.models && isOnHub(base.source)) await copyModel(store.models, base.source, undefined, copyOptions(options));
  return policy;
}

/** @param records iterates over the prompts, from the first one at every call */
async function storePrompts(
  context: StepContext,
  count: number,
  records: () => Iterable<PromptRecord>,
): Promise<PromptSet> {
  const { address } = await importPrompts(context, { count, records }, {});
  return { address, count };
}
