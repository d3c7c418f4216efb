/** recheck: checks a run's prompts again after an operator has changed a setting that affects the check. Drops no prompts. */
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { promptsOf } from '../data/prompts.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import type { Labeler } from '../labelers/labeler.ts';
import { openPolicyArtifact, TOKENIZER_FILES } from './policy.ts';
import { heldOutLimit, LengthCheck, trainingLimit, type LengthSettings } from './prompts/limits.ts';
import { PromptReader } from './prompts/reader.ts';
import { storedPrompts } from './prompts/stored.ts';
import type { Activity } from './step.ts';

/** The settings that affect the check of prompts. */
export interface PromptChecks {
  limits: LengthSettings;
  label: LabelSettings;
  /** The second labeler, which only scores held-out responses. */
  secondJudge?: LabelSettings;
}

export interface RecheckInput extends PromptChecks {
  policy: Address;
  heldOut: Address;
  /** The prompts of the round that is about to begin. Absent before the first round. */
  prompts?: Address;
}

/** @throws InputError for a prompt that is too long, or that a labeler cannot use */
export const recheck: Activity<RecheckInput, { prompts: number }> = async (
  { store, engine, cacheFolder },
  { policy, heldOut, prompts, limits, label, secondJudge },
  options,
) => {
  const { policy: opened } = await openPolicyArtifact(store, policy, TOKENIZER_FILES);
  const config = readModelConfig(opened.model);
  const tools = { engine, cacheFolder, compute: { threads: 1 } };
  const labeler = await createLabeler(label, tools);
  const judges = [labeler, ...(secondJudge ? [await createLabeler(secondJudge, tools)] : [])];
  const sets: { address: Address; name: string; limit: LengthCheck; labelers: Labeler[] }[] = [
    ...(prompts === undefined
      ? []
      : [
          {
            address: prompts,
            name: "the round's prompts",
            limit: new LengthCheck(trainingLimit(config, limits)),
            labelers: [labeler],
          },
        ]),
    {
      address: heldOut,
      name: 'the held-out prompts',
      limit: new LengthCheck(heldOutLimit(config, limits)),
      labelers: judges,
    },
  ];
  const stored = await Promise.all(sets.map(({ address }) => storedPrompts(store, address)));
  const total = stored.reduce((sum, { count }) => sum + count, 0);
  const reader = new PromptReader(loadTokenizer(opened.model, opened.chatTemplate), total, options);
  for (const [i, { name, limit, labelers }] of sets.entries()) {
    let index = 0;
    for await (const prompt of promptsOf(stored[i].file)) {
      const { length, place } = await reader.read(prompt, index++, name);
      limit.refuses(length, place);
      for (const one of labelers) one.check?.(prompt);
    }
    if (limit.found !== undefined) {
      throw new InputError(
        `${limit.found}. A run keeps the prompts that it began with: ` +
          'change that setting (selm retry --set), or start a run with another name.',
      );
    }
  }
  return { prompts: total };
};
