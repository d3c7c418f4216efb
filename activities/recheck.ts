/** recheck: checks a run's prompts again after an operator has changed a setting that affects the check. Drops no prompts. */
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { TOKENIZER_FILES } from '../data/model-files.ts';
import { promptsOf } from '../data/prompts.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import type { Labeler } from '../labelers/labeler.ts';
import { labelersForChecks, type CheckingLabelers } from './label-tools.ts';
import { importGuidance, type GuidanceInput } from './people/guidance.ts';
import { openPolicyArtifact } from './policy.ts';
import { heldOutLimit, LengthCheck, trainingLimit, type LengthSettings } from './prompts/limits.ts';
import { PromptReader } from './prompts/reader.ts';
import { storedPrompts } from './prompts/stored.ts';
import type { Activity } from './step.ts';

/** The settings that affect the check of prompts. */
export interface PromptChecks extends CheckingLabelers {
  limits: LengthSettings;
  /** What people are given who label. */
  guidance?: GuidanceInput;
}

export interface RecheckInput extends PromptChecks {
  policy: Address;
  heldOut: Address;
  /** The prompts of the round that is about to begin. Absent before the first round. */
  prompts?: Address;
}

/** @throws InputError for a prompt that is too long, or that a labeler cannot use */
export const recheck: Activity<RecheckInput, { prompts: number }> = async (
  context,
  { policy, heldOut, prompts, limits, guidance, ...checking },
  options,
) => {
  const { store } = context;
  if (guidance) await importGuidance(context, guidance, options);
  const { policy: opened } = await openPolicyArtifact(store, policy, TOKENIZER_FILES);
  const config = readModelConfig(opened.model);
  const labelers = await labelersForChecks(context, checking, options);
  const sets: { address: Address; name: string; limit: LengthCheck; labelers: Labeler[] }[] = [
    ...(prompts === undefined
      ? []
      : [
          {
            address: prompts,
            name: "the round's prompts",
            limit: new LengthCheck(trainingLimit(config, limits)),
            labelers: labelers.training,
          },
        ]),
    {
      address: heldOut,
      name: 'the held-out prompts',
      limit: new LengthCheck(heldOutLimit(config, limits)),
      labelers: labelers.heldOut,
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
