/** sample: the policy answers a shard of prompts. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { readJsonlRange, writeJsonl } from '../data/jsonl.ts';
import { readSampled } from '../data/readers.ts';
import { promptSchema, type SampledRecord } from '../data/records.ts';
import type { SamplingSettings } from '../engine/settings.ts';
import type { Device } from '../engine/target.ts';
import { openPolicyArtifact } from './policy.ts';
import { PROMPTS } from './prepare.ts';
import { runStep, type Step, type StepResult } from './step.ts';

export interface SampleInput {
  policy: Address;
  prompts: Address;
  /** The shard: prompts `from` to `to`, the last not included. It forms its batches from itself alone. */
  from: number;
  to: number;
  settings: SamplingSettings;
  seed: number;
  threads: number;
  device?: Device;
}

export interface SampleSummary {
  prompts: number;
  promptTokens: number;
  sampledTokens: number;
  /** Of 8-bit weights: KL(policy || the one that answered), in nats a token. */
  klPerToken?: number;
}

const RESPONSES = 'responses.jsonl';

export const sample: Step<SampleInput, StepResult<SampleSummary>> = (rooms, input, options) => {
  const { policy, prompts, from, to, settings, seed, threads, device } = input;
  const recipe = {
    step: 'sample',
    parameters: { from, to, settings, threads, device },
    inputs: { policy, prompts },
    seed,
  };
  return runStep(rooms, 'responses', recipe, async (folder) => {
    const rows = await readJsonlRange(join(await rooms.store.open(prompts), PROMPTS), promptSchema, from, to);
    const opened = await openPolicyArtifact(rooms.store, policy);
    const job = { policy: { ...opened.policy, device }, prompts: rows, settings, seed, threads };
    const { responses, promptTokens, sampledTokens, divergence } = await rooms.engine.run('sample', job, options);
    await writeJsonl(join(folder, RESPONSES), rows.map((row, i) => ({ ...row, responses: responses[i] }))); // prettier-ignore
    return {
      prompts: rows.length,
      promptTokens,
      sampledTokens,
      ...(divergence && { klPerToken: divergence.klPerToken }),
    };
  });
};

/** The answers of all shards, in order. */
export async function readShards(store: ArtifactStore, shards: Address[]): Promise<SampledRecord[]> {
  const parts = await Promise.all(shards.map(async (shard) => readSampled(join(await store.open(shard), RESPONSES))));
  return parts.flat();
}
