/** divergence: KL(policy || reference policy) along a shard of the policy's answers. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';
import { readJsonl, writeJsonl } from '../data/jsonl.ts';
import type { SampledRecord } from '../data/records.ts';
import type { CallOptions, DivergenceJob, Engine } from '../engine/protocol/jobs.ts';
import { openPolicyArtifact } from './policy.ts';
import { readShards } from './sample.ts';
import { bootstrapRatio, mean, type Interval } from '../evaluation/statistics.ts';
import type { Device } from '../engine/protocol/settings.ts';
import { defineStep } from './step.ts';

export interface DivergenceInput {
  /** The policy that wrote the answers. */
  policy: Address;
  /** The policy it is compared with. */
  reference: Address;
  responses: Address;
  threads: number;
  device?: Device;
}

const DIVERGENCES = 'divergences.jsonl';

/** Of each answer to a prompt: its summed divergence in nats, and its tokens. */
const rowSchema = z.object({ id: z.string(), kl: z.array(z.number()), tokens: z.array(z.number()) });
export type DivergenceRow = z.infer<typeof rowSchema>;

export const divergence = defineStep({
  name: 'divergence',
  kind: 'divergences',
  reproducible: true,
  recipe: ({ policy, reference, responses, threads, device }: DivergenceInput) => ({
    parameters: { threads, device },
    inputs: { policy, reference, responses },
    seed: 0,
  }),
  usesBackend: true,
  run: async ({ parameters: { threads, device }, inputs }, { context: { store, engine }, folder, options }) => {
    const { policy } = await openPolicyArtifact(store, inputs.policy);
    const { policy: reference } = await openPolicyArtifact(store, inputs.reference);
    const job = { policy: { ...policy, device }, reference, threads };
    const rows = await measureDivergence(engine, job, await readShards(store, [inputs.responses]), options);
    await writeJsonl(join(folder, DIVERGENCES), rows);
    return summarizeDivergence(rows);
  },
});

/** The divergence along every answer, token by token as it was sampled: of one that was cut, along what there is of it. */
export async function measureDivergence(
  engine: Engine,
  job: Omit<DivergenceJob, 'rows'>,
  answered: SampledRecord[],
  options: CallOptions = {},
): Promise<DivergenceRow[]> {
  const rows = answered.flatMap(({ prompt, prompt_input_ids: ids, responses }) =>
    responses.map(({ token_ids }) => ({
      ...(ids ? { prompt_input_ids: ids } : { prompt }),
      response_input_ids: token_ids,
    })),
  );
  const divergences = await engine.run('divergence', { ...job, rows }, options);
  let next = 0;
  return answered.map(({ id, responses }) => {
    const own = divergences.slice(next, (next += responses.length));
    return { id, kl: own.map(({ kl }) => kl), tokens: own.map(({ tokens }) => tokens) };
  });
}

/** The divergences of all shards, in order. */
export async function readDivergences(store: ArtifactStore, shards: Address[]): Promise<DivergenceRow[]> {
  const parts = await inTurns(shards, async (shard) =>
    readJsonl(join(await store.open(shard), DIVERGENCES), rowSchema),
  );
  return parts.flat();
}

export interface DivergenceSummary {
  /** Nats per answer: the mean over all answers. */
  kl: number;
  /** Nats per token: the sum over all answers, divided by their tokens. */
  klPerToken: number;
}

export interface Divergence extends DivergenceSummary {
  /** 95 % bootstrap interval of `kl`, over prompts. */
  klInterval: Interval;
}

function summarizeDivergence(rows: DivergenceRow[]): DivergenceSummary {
  const [sum, tokens] = [total(rows.flatMap(({ kl }) => kl)), total(rows.flatMap((row) => row.tokens))];
  // Answers that are all empty have nothing to differ in.
  return { kl: mean(rows.flatMap(({ kl }) => kl)), klPerToken: tokens === 0 ? 0 : sum / tokens };
}

/** @param seed of the bootstrap */
export function divergenceOf(rows: DivergenceRow[], seed: number): Divergence {
  const sums = rows.map(({ kl }) => total(kl));
  const counts = rows.map(({ kl }) => kl.length);
  return { ...summarizeDivergence(rows), klInterval: bootstrapRatio(sums, counts, seed) };
}

const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
