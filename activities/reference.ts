/** reference: log-probabilities of a shard of preferences under the reference policy, once for every training on them. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { openPolicyArtifact } from './policy.ts';
import { PREFERENCES } from './prefer.ts';
import { runStep, type Step, type StepResult } from './step.ts';
import type { Device, LengthLimits } from '../engine/protocol/settings.ts';

export interface ReferenceInput {
  /** The reference policy. */
  policy: Address;
  preferences: Address;
  /** The shard: preferences `from` to `to`, the last not included. */
  from: number;
  to: number;
  /** Those of the training, which cut what is scored. */
  limits: LengthLimits;
  threads: number;
  device?: Device;
}

export interface ReferenceSummary {
  /** That are trained on. */
  preferences: number;
}

export const REFERENCE_LOGPS = 'logps.jsonl';

export const reference: Step<ReferenceInput, StepResult<ReferenceSummary>> = (rooms, input, options) => {
  const { policy, preferences, from, to, limits, threads, device } = input;
  const recipe = {
    step: 'reference',
    parameters: { from, to, limits, threads, device },
    inputs: { policy, preferences },
    seed: 0,
  };
  return runStep(rooms, 'reference-logps', recipe, async (folder) => {
    const opened = await openPolicyArtifact(rooms.store, policy);
    const rows = join(await rooms.store.open(preferences), PREFERENCES);
    const job = { policy: { ...opened.policy, device }, rows, from, to, limits, threads };
    const logps = await rooms.engine.run('reference', job, options);
    await writeJsonl(join(folder, REFERENCE_LOGPS), logps);
    return { preferences: logps.length };
  });
};
