/** sample: the policy answers a shard of prompts. */
import { join } from 'node:path';
import { patiently } from '../artifacts/files.ts';
import type { Address, Recipe } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';
import { readJsonlRange, writeJsonl } from '../data/jsonl.ts';
import { readSampled } from '../data/readers.ts';
import { promptSchema, type PromptRecord, type SampledRecord } from '../data/records.ts';
import type { SampleResult } from '../engine/protocol/jobs.ts';
import type { SamplingSettings, Device } from '../engine/protocol/settings.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { openPolicyArtifact } from './policy.ts';
import { PROMPTS } from './prepare.ts';
import { sampleServed } from './served.ts';
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
  /** Asked in the engine's stead. */
  server?: SamplerSettings;
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
  const { policy, prompts, from, to, settings, seed, threads, device, server } = input;
  const parameters = { from, to, ...(server ? servedParameters(settings, server) : { settings, threads, device }) };
  const recipe = { step: 'sample', parameters, inputs: { policy, prompts }, seed };
  return runStep(rooms, 'responses', recipe, async (folder) => {
    const rows = await readJsonlRange(join(await rooms.store.open(prompts), PROMPTS), promptSchema, from, to);
    const job = { prompts: rows, settings, seed };
    const result: SampleResult = server
      ? await sampleServed(rooms.store, policy, server, job, options)
      : await rooms.engine.run(
          'sample',
          { ...job, threads, policy: { ...(await openPolicyArtifact(rooms.store, policy)).policy, device } },
          options,
        );
    const { promptIds, sampledTokens, divergence } = result;
    await patiently(() => writeJsonl(join(folder, RESPONSES), sampledRows(rows, result)));
    return {
      prompts: rows.length,
      promptTokens: promptIds.reduce((total, { length }) => total + length, 0),
      sampledTokens,
      ...(divergence && { klPerToken: divergence.klPerToken }),
    };
  });
};

/** Prompts with their answers, as files have them. */
export const sampledRows = (
  rows: PromptRecord[],
  { promptIds, responses }: Pick<SampleResult, 'promptIds' | 'responses'>,
): SampledRecord[] => rows.map((row, i) => ({ ...row, prompt_input_ids: promptIds[i], responses: responses[i] }));

/** Where a server runs is no part of what it answers, nor is how the engine would have computed. */
function servedParameters(
  { batchSize: _size, weights: _weights, ...settings }: SamplingSettings,
  { model }: SamplerSettings,
) {
  return { settings, server: { model } };
}

/** Whether a server has sampled this: other machines' bits, which nobody here can compute again. */
export const isServed = ({ step, parameters }: Recipe): boolean =>
  step === 'sample' && 'server' in (parameters as object);

/** The answers of all shards, in order. */
export async function readShards(store: ArtifactStore, shards: Address[]): Promise<SampledRecord[]> {
  const parts = await inTurns(shards, async (shard) => readSampled(join(await store.open(shard), RESPONSES)));
  return parts.flat();
}
