/** reference: log-probabilities of a shard of preferences under the reference policy, computed once and reused by all trainings. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { openPolicyArtifact } from './policy.ts';
import { PREFERENCES } from './prefer.ts';
import { computeParameters, type ComputeSettings } from '../engine/protocol/compute.ts';
import type { LengthLimits } from '../engine/protocol/settings.ts';
import { defineStep } from './step.ts';

export interface ReferenceInput extends ComputeSettings {
  /** The reference policy. */
  policy: Address;
  preferences: Address;
  /** The shard: preferences `from` to `to`, the last not included. */
  from: number;
  to: number;
  /** The training's truncation settings, applied before scoring. */
  limits: LengthLimits;
  threads: number;
}

export const REFERENCE_LOGPS = 'logps.jsonl';

/** Computes the reference log-probabilities (nats) of one shard of preferences. The artifact has one row per preference. */
export const reference = defineStep({
  name: 'reference',
  kind: 'reference-logps',
  reproducible: true,
  recipe: ({ policy, preferences, from, to, limits, threads, ...compute }: ReferenceInput) => ({
    parameters: { from, to, limits, threads, ...computeParameters(compute) },
    inputs: { policy, preferences },
    seed: 0,
  }),
  computedWith: ({ parameters }) => parameters,
  run: async ({ parameters, inputs }, { context: { store, engine }, folder, options }) => {
    const { policy } = await openPolicyArtifact(store, inputs.policy);
    const rows = join(await store.open(inputs.preferences), PREFERENCES);
    const logps = await engine.run('reference', { policy, rows, ...parameters }, options);
    await writeJsonl(join(folder, REFERENCE_LOGPS), logps);
    // Only the preferences that training uses.
    return { preferences: logps.length };
  },
});
