/** sample: samples the policy's responses to a shard of prompts. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';
import { readJsonlRange } from '../data/jsonl.ts';
import { readSampled } from '../data/readers.ts';
import { promptSchema, type PromptRecord, type SampledRecord } from '../data/records.ts';
import type { CallOptions, Progress, SampleResult } from '../engine/protocol/jobs.ts';
import type { SamplingSettings } from '../engine/protocol/settings.ts';
import type { VllmSettings } from '../engine/vllm/spec.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { openPolicyArtifact } from './policy.ts';
import { PROMPTS } from './prompts/stored.ts';
import { sampleServed } from './sampling-server.ts';
import { sampleByOwnVllm, vllmOf } from './sampling-vllm.ts';
import { defineStep, type Activity, type StepContext, type StepResult } from './step.ts';
import type { StepFolder } from './step-folder.ts';

interface Shard {
  policy: Address;
  prompts: Address;
  /** The shard: prompts `from` to `to`, the last not included. Batches never contain prompts of other shards. */
  from: number;
  to: number;
  settings: SamplingSettings;
  seed: number;
}

interface EngineInput extends Shard {
  threads: number;
}

interface ServerInput extends Shard {
  server: SamplerSettings;
}

interface VllmInput extends Shard {
  vllm: VllmSettings;
}

export interface SampleInput extends EngineInput {
  /** The server that samples instead of the engine. */
  server?: SamplerSettings;
  /** Set if the worker's own vLLM samples instead of the engine. */
  vllm?: VllmSettings;
}

export interface SampleSummary {
  prompts: number;
  promptTokens: number;
  sampledTokens: number;
  /** With 8-bit weights: KL(policy || quantized policy), in nats per token. */
  klPerToken?: number;
}

export const RESPONSES = 'responses.jsonl';

/** Samples a shard by the server or the worker's own vLLM if one is configured, otherwise by the engine. */
export const sample: Activity<SampleInput, StepResult<SampleSummary>> = (context, input, options) => {
  const { server, vllm, ...shard } = input;
  if (server) return sampleByServer(context, { ...shard, server }, options);
  if (vllm) return sampleByVllm(context, { ...shard, vllm }, options);
  return sampleByEngine(context, shard, options);
};

/** Samples with the engine. The result is reproducible. */
export const sampleByEngine = defineStep({
  name: 'sample',
  kind: 'responses',
  reproducible: true,
  recipe: ({ policy, prompts, from, to, settings, seed, threads }: EngineInput) => ({
    parameters: { from, to, settings, threads },
    inputs: { policy, prompts },
    seed,
  }),
  computedWith: ({ parameters: { threads } }) => ({ threads }),
  run: async ({ parameters, inputs, seed }, { context, folder, options }) => {
    const { settings, threads } = parameters;
    const prompts = await readShard(context, inputs.prompts, parameters);
    const { policy } = await openPolicyArtifact(context.store, inputs.policy);
    const job = { prompts, settings, seed, threads, policy };
    return writeResponses(
      folder,
      prompts,
      await counted(context, options, (counting) => context.engine.run('sample', job, counting)),
    );
  },
});

/** Samples with a server. The result is not reproducible, so `selm verify` skips it. */
export const sampleByServer = defineStep({
  name: 'sample',
  kind: 'responses',
  reproducible: false,
  // The server's address does not change its responses.
  recipe: ({ policy, prompts, from, to, settings, seed, server: { model } }: ServerInput) => ({
    parameters: { from, to, settings: withoutEngineSettings(settings), server: { model } },
    inputs: { policy, prompts },
    seed,
  }),
  run: async ({ parameters, inputs, seed }, { input: { server, settings }, context, folder, options }) => {
    const prompts = await readShard(context, inputs.prompts, parameters);
    const job = { prompts, settings, seed };
    const result = await counted(context, options, (counting) =>
      sampleServed(context.store, inputs.policy, server, job, counting),
    );
    return writeResponses(folder, prompts, result);
  },
});

/** Samples with the worker's own vLLM. Which requests it computes together depends on time, so the result is not reproducible. */
export const sampleByVllm = defineStep({
  name: 'sample',
  kind: 'responses',
  reproducible: false,
  recipe: async ({ policy, prompts, from, to, settings, seed, vllm }: VllmInput, context: StepContext) => ({
    parameters: { from, to, settings: withoutEngineSettings(settings), vllm: await vllmOf(context).version(vllm) },
    inputs: { policy, prompts },
    seed,
  }),
  run: async ({ parameters, inputs, seed }, { input: { vllm, settings }, context, folder, options }) => {
    const prompts = await readShard(context, inputs.prompts, parameters);
    const job = { prompts, settings, seed };
    const result = await counted(context, options, (counting) =>
      sampleByOwnVllm(vllmOf(context), context.store, inputs.policy, vllm, job, counting),
    );
    return writeResponses(folder, prompts, result);
  },
});

/** The settings without those of the engine, which do not change the responses of a server. */
function withoutEngineSettings({ batchSize: _size, weights: _weights, ...sampling }: SamplingSettings) {
  return sampling;
}

/** Counts the tokens of a shard for the worker's metrics: sampled ones while it runs, because it may take long. */
async function counted<Result extends Pick<SampleResult, 'promptIds'>>(
  { countTokens = () => {} }: StepContext,
  options: CallOptions,
  work: (counting: CallOptions) => Promise<Result>,
): Promise<Result> {
  let sampled = 0;
  const onProgress = (progress: Progress) => {
    if (progress.tokens > sampled) countTokens('sampled_tokens', progress.tokens - sampled);
    sampled = Math.max(sampled, progress.tokens);
    options.onProgress?.(progress);
  };
  const result = await work({ ...options, onProgress });
  countTokens('prompt_tokens', promptTokensOf(result));
  return result;
}

const promptTokensOf = ({ promptIds }: Pick<SampleResult, 'promptIds'>): number =>
  promptIds.reduce((total, { length }) => total + length, 0);

const readShard = async ({ store }: StepContext, prompts: Address, { from, to }: Pick<Shard, 'from' | 'to'>) =>
  readJsonlRange(join(await store.open(prompts), PROMPTS), promptSchema, from, to);

async function writeResponses(
  folder: StepFolder,
  prompts: PromptRecord[],
  result: SampleResult,
): Promise<SampleSummary> {
  const { sampledTokens, divergence } = result;
  await folder.writeRows(RESPONSES, sampledRows(prompts, result));
  return {
    prompts: prompts.length,
    promptTokens: promptTokensOf(result),
    sampledTokens,
    ...(divergence && { klPerToken: divergence.klPerToken }),
  };
}

/** Prompts with their responses: the rows of the artifact's file. */
export const sampledRows = (
  prompts: PromptRecord[],
  { promptIds, responses }: Pick<SampleResult, 'promptIds' | 'responses'>,
): SampledRecord[] => prompts.map((row, i) => ({ ...row, prompt_input_ids: promptIds[i], responses: responses[i] }));

/** The responses of all shards, in order. */
export async function readShards(store: ArtifactStore, shards: Address[]): Promise<SampledRecord[]> {
  const parts = await inTurns(shards, async (shard) => readSampled(join(await store.open(shard), RESPONSES)));
  return parts.flat();
}
