/** Sampling by a server that has the base model and loads the policy's adapter on request. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { hashValue } from '../artifacts/hash.ts';
import type { Address, Manifest } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import type { CallOptions, Policy } from '../engine/protocol/jobs.ts';
import { readAdapterConfig } from '../engine/model-files/adapter-config.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import type { SamplingSettings } from '../engine/protocol/settings.ts';
import { loadAdapter } from '../openai/client/adapters.ts';
import { OpenAiClient } from '../openai/client/client.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { sampleFromServer, type SampledByServer, type TokenizedPrompt } from '../openai/client/sampler.ts';
import { TOKENIZER_FILES } from '../data/model-files.ts';
import type { PromptRecord } from '../data/records.ts';
import { templateFields } from '../data/template-inputs.ts';
import { ADAPTER, MODEL, openPolicyArtifact } from './policy.ts';
import { tokenizePrompt } from '../engine/tokens/prompts.ts';

/** What a shard asks for. */
export interface SamplingJob {
  prompts: PromptRecord[];
  settings: SamplingSettings;
  seed: number;
}

/** Responses with the tokens of their prompts. */
export type Sampled = SampledByServer & { promptIds: number[][] };

/** A policy on a server. */
export interface OnServer {
  /** Its `model` is the policy's name on the server. */
  client: OpenAiClient;
  /** Loads the policy's adapter if it is not loaded. Absent for a model without an adapter. */
  load?: (signal?: AbortSignal) => Promise<void>;
}

/**
 * Samples a policy's responses on a server.
 * @throws InputError when the server cannot load this policy, or rejects a request
 */
export async function sampleServed(
  store: ArtifactStore,
  address: Address,
  server: SamplerSettings,
  job: SamplingJob,
  options: CallOptions,
): Promise<Sampled> {
  const { policy } = await openPolicyArtifact(store, address, TOKENIZER_FILES);
  const served = await policyOnServer(store, address, server, policy);
  return sampleOn(served, policy, await tokenizePrompts(policy, job, options), job, options);
}

/** A policy on a server of somebody else's. @throws InputError when servers cannot load it */
export async function policyOnServer(
  store: ArtifactStore,
  address: Address,
  server: SamplerSettings,
  policy: Policy,
): Promise<OnServer> {
  checkAdapter(policy);
  const name = await adapterName(store, address);
  const client = clientOf(server, name);
  if (name === undefined) return { client };
  return {
    client,
    load: async (signal) => loadAdapter(client, name, await placed(server, policy.adapter!, name), signal),
  };
}

/** The prompts of a job as tokens. @throws InputError when one is too long, or the chat template refuses it */
export async function tokenizePrompts(
  { model, chatTemplate }: Policy,
  { prompts, settings }: SamplingJob,
  { signal }: CallOptions,
): Promise<TokenizedPrompt[]> {
  const [tokenizer, config] = [loadTokenizer(model, chatTemplate), readModelConfig(model)];
  const tokenized: TokenizedPrompt[] = [];
  for (const row of prompts) {
    const { id, prompt } = row;
    const tokens = tokenizePrompt(row, tokenizer, config, settings);
    tokenized.push({ id, prompt, ...templateFields(row), tokens });
    // Yields to the event loop, so that the worker can send heartbeats while it encodes many prompts.
    await setImmediate();
    signal?.throwIfAborted();
  }
  return tokenized;
}

/** @throws InputError when servers would compute something else than the policy's adapter says */
export function checkAdapter({ adapter }: Policy): void {
  if (adapter === undefined || !readAdapterConfig(adapter).patterned) return;
  // vLLM's PEFTHelper ignores patterns and would apply the same scale to every layer.
  throw new InputError(
    'The adapter has a rank_pattern or alpha_pattern, which servers such as vLLM ignore: ' +
      'sample with the engine (no sample.server, sample.backend: onnx), or merge the adapter into its model (selm export).',
  );
}

/** @throws InputError when the server cannot load the adapter, or rejects a request */
export async function sampleOn(
  { client, load }: OnServer,
  { model, chatTemplate }: Policy,
  prompts: TokenizedPrompt[],
  { settings, seed }: SamplingJob,
  options: CallOptions,
): Promise<Sampled> {
  const served = { client, tokenizer: loadTokenizer(model, chatTemplate), ...(load && { load }) };
  const sampled = await sampleFromServer(served, prompts, settings, seed, options);
  return { ...sampled, promptIds: prompts.map(({ tokens }) => tokens) };
}

/** @param name the adapter's name. Without one, requests go to the server's base model */
export const clientOf = ({ adapterFolder: _folder, workers: _workers, ...server }: SamplerSettings, name?: string) =>
  new OpenAiClient({ ...server, ...(name !== undefined && { model: name }) });

/** @returns undefined for a policy without an adapter. @throws InputError when all weights of the policy are trained */
export async function adapterName(store: ArtifactStore, policy: Address): Promise<string | undefined> {
  const { files } = await store.manifest(policy);
  if (files.some(({ path }) => path.startsWith(`${MODEL}/`))) {
    throw new InputError(
      `Policy ${policy.slice(0, 12)} is a whole model, and servers load adapters only: ` +
        'sample with the engine (no sample.server).',
    );
  }
  return nameOfAdapter(files);
}

/** The name of a policy's adapter on a server. It is a hash of the files, so equal adapters have the same name in all runs. */
export function nameOfAdapter(files: Manifest['files']): string | undefined {
  const own = files.filter(({ path }) => path.startsWith(`${ADAPTER}/`)).map(({ path, sha256 }) => [path, sha256]);
  return own.length === 0 ? undefined : `selm-${hashValue(own).slice(0, 16)}`;
}

/** Copies the adapter to a folder that the server can read. @returns that folder */
async function placed({ adapterFolder }: SamplerSettings, adapter: string, name: string): Promise<string> {
  if (adapterFolder === undefined) return adapter;
  const folder = join(adapterFolder, name);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${randomUUID()}`;
  try {
    await mkdir(adapterFolder, { recursive: true });
    await cp(adapter, unfinished, { recursive: true, dereference: true });
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another worker may have copied it first.
    if (!existsSync(folder))
      throw new InputError(
        `sample.server.adapterFolder ${adapterFolder} cannot be written (${(error as NodeJS.ErrnoException).code}): ` +
          'configure a folder that the workers and the server share.',
      );
  }
  return folder;
}
