/** How activities create labelers: with the engine, and with models from the store's copies or the hub. */
import { copiedModels, storedModels } from '../artifacts/copy-model.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import type { Labeler, LabelTools } from '../labelers/labeler.ts';
import { copyOptions } from './policy.ts';
import type { StepContext } from './step.ts';

/** For labeling. */
export const toolsOf = (context: StepContext, compute: LabelTools['compute']): LabelTools => ({
  ...context,
  models: storedModels(context.store.models),
  compute,
});

/** The labelers of a run, which check its prompts. */
export interface CheckingLabelers {
  /** The labeler of the rounds' responses. Absent if only people label them. */
  label?: LabelSettings;
  /** The labeler of held-out responses, if it is another one. */
  heldOutLabeler?: LabelSettings;
  /** The second labeler, which only scores held-out responses. */
  secondJudge?: LabelSettings;
}

/**
 * Creates the labelers of a run for `check` only: a prompt that one of them cannot use is reported before anything is computed. Their
 * models are copied into the store, where other workers find them.
 * @returns the labelers that must accept the training prompts, and those that must accept the held-out prompts
 * @throws InputError when a labeler cannot be created
 */
export async function labelersForChecks(
  context: StepContext,
  { label, heldOutLabeler, secondJudge }: CheckingLabelers,
  options: CallOptions,
): Promise<{ training: Labeler[]; heldOut: Labeler[] }> {
  const models = copiedModels(context.store.models, copyOptions(options));
  const tools: LabelTools = { ...context, models, compute: { threads: 1 } };
  const labelersOf = async (settings?: LabelSettings) => (settings ? [await createLabeler(settings, tools)] : []);
  const training = await labelersOf(label);
  const scoring = heldOutLabeler ? await labelersOf(heldOutLabeler) : training;
  return { training, heldOut: [...scoring, ...(await labelersOf(secondJudge))] };
}
