/** What labelers are made with in activities: the engine, and models from the store's copies or the hub. */
import { copiedModels, storedModels } from '../artifacts/copy-model.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import type { LabelTools } from '../labelers/labeler.ts';
import { copyOptions } from './policy.ts';
import type { StepContext } from './step.ts';

/** For labeling. */
export const toolsOf = (context: StepContext, compute: LabelTools['compute']): LabelTools => ({
  ...context,
  models: storedModels(context.store.models),
  compute,
});

/** For checks before anything is computed. The labelers' models are copied into the store, where other workers find them. */
export const toolsForChecks = (context: StepContext, options: CallOptions): LabelTools => ({
  ...context,
  models: copiedModels(context.store.models, copyOptions(options)),
  compute: { threads: 1 },
});
