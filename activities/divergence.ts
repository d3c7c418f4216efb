/** divergence: KL(policy || reference policy) at every token of a shard of the policy's responses. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';
import { readJsonl } from '../data/jsonl.ts';
import { computeParameters, type ComputeSettings } from '../engine/protocol/compute.ts';
import {
  divergenceRowSchema,
  measureDivergence,
  summarizeDivergence,
  type DivergenceRow,
} from '../evaluation/divergence.ts';
import { openPolicyArtifact } from './policy.ts';
import { readShards } from './sample.ts';
import { defineStep } from './step.ts';

export interface DivergenceInput extends ComputeSettings {
  /** The policy that sampled the responses. */
  policy: Address;
  /** The policy it is compared with. */
  reference: Address;
  responses: Address;
  threads: number;
}

const DIVERGENCES = 'divergences.jsonl';

/** Computes the KL divergences (nats) of one shard of responses. The artifact has one row per prompt. */
export const divergence = defineStep({
  name: 'divergence',
  kind: 'divergences',
  reproducible: true,
  recipe: ({ policy, reference, responses, threads, ...compute }: DivergenceInput) => ({
    parameters: { threads, ...computeParameters(compute) },
    inputs: { policy, reference, responses },
    seed: 0,
  }),
  computedWith: ({ parameters }) => parameters,
  run: async ({ parameters, inputs }, { context: { store, engine }, folder, options }) => {
    const { policy } = await openPolicyArtifact(store, inputs.policy);
    const { policy: reference } = await openPolicyArtifact(store, inputs.reference);
    const job = { policy, reference, ...parameters };
    const rows = await measureDivergence(engine, job, await readShards(store, [inputs.responses]), options);
    await folder.writeRows(DIVERGENCES, rows);
    return summarizeDivergence(rows);
  },
});

/** The divergences of all shards, in order. */
export async function readDivergences(store: ArtifactStore, shards: Address[]): Promise<DivergenceRow[]> {
  const parts = await inTurns(shards, async (shard) =>
    readJsonl(join(await store.open(shard), DIVERGENCES), divergenceRowSchema),
  );
  return parts.flat();
}
