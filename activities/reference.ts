/** reference: log-probabilities of a shard of preferences under the reference policy, computed once and reused by all trainings. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { openPolicyArtifact } from './policy.ts';
import { PREFERENCES } from './prefer.ts';
import { computeParameters, type ComputeSettings } from '../engine/protocol/compute.ts';
import type { LengthLimits } from '../engine/protocol/settings.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { referenceOnServer } from './reference-server.ts';
import { defineStep, type Activity, type StepResult } from './step.ts';

interface Shard {
  /** The reference policy. */
  policy: Address;
  preferences: Address;
  /** The shard: preferences `from` to `to`, the last not included. */
  from: number;
  to: number;
  /** The training's truncation settings, applied before scoring. */
  limits: LengthLimits;
}

interface EngineInput extends Shard, ComputeSettings {
  threads: number;
}

interface ServerInput extends Shard {
  server: SamplerSettings;
}

export interface ReferenceInput extends EngineInput {
  /** The server that computes log-probabilities instead of the engine. */
  server?: SamplerSettings;
}

export const REFERENCE_LOGPS = 'logps.jsonl';

/** Computes the reference log-probabilities (nats) of one shard of preferences. The artifact has one row per preference. */
export const reference: Activity<ReferenceInput, StepResult<{ preferences: number }>> = (
  context,
  { server, ...input },
  options,
) => (server ? referenceByServer(context, { ...input, server }, options) : referenceByEngine(context, input, options));

/** By the engine. The result is reproducible. */
export const referenceByEngine = defineStep({
  name: 'reference',
  kind: 'reference-logps',
  reproducible: true,
  recipe: ({ policy, preferences, from, to, limits, threads, ...compute }: EngineInput) => ({
    parameters: { from, to, limits, threads, ...computeParameters(compute) },
    inputs: { policy, preferences },
    seed: 0,
  }),
  computedWith: ({ parameters }) => parameters,
  run: async ({ parameters, inputs }, { context: { store, engine }, folder, options }) => {
    const { policy } = await openPolicyArtifact(store, inputs.policy);
    const rows = join(await store.open(inputs.preferences), PREFERENCES);
    const logps = await engine.run('reference', { policy, rows, ...parameters }, options);
    await folder.writeRows(REFERENCE_LOGPS, logps);
    // Only the preferences that training uses.
    return { preferences: logps.length };
  },
});

/** By a server. The result is not reproducible, so `selm verify` skips it. */
export const referenceByServer = defineStep({
  name: 'reference',
  kind: 'reference-logps',
  reproducible: false,
  // The server's address does not change its results.
  recipe: ({ policy, preferences, from, to, limits, server: { model } }: ServerInput) => ({
    parameters: { from, to, limits, server: { model } },
    inputs: { policy, preferences },
    seed: 0,
  }),
  run: async ({ parameters, inputs }, { input: { server }, context: { store }, folder, options }) => {
    const rows = join(await store.open(inputs.preferences), PREFERENCES);
    const logps = await referenceOnServer(store, inputs.policy, server, { rows, ...parameters }, options);
    await folder.writeRows(REFERENCE_LOGPS, logps);
    return { preferences: logps.length };
  },
});
