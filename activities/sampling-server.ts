/** Sampling by a server that has the base model and loads the policy's adapter on request. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { hashValue } from '../artifacts/hash.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { readAdapterConfig } from '../engine/model-files/adapter-config.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import type { SamplingSettings } from '../engine/protocol/settings.ts';
import { loadAdapter } from '../openai/client/adapters.ts';
import { ChatServer } from '../openai/client/client.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { sampleFromServer, type SampledByServer, type TokenizedPrompt } from '../openai/client/sampler.ts';
import type { PromptRecord } from '../data/records.ts';
import { ADAPTER, MODEL, openPolicyArtifact, TOKENIZER_FILES } from './policy.ts';
import { tokenizePrompt } from '../engine/tokens/prompts.ts';

/**
 * Samples a policy's responses on a server.
 * @throws InputError when the server cannot load this policy, or rejects a request
 */
export async function sampleServed(
  store: ArtifactStore,
  policy: Address,
  server: SamplerSettings,
  { prompts, settings, seed }: { prompts: PromptRecord[]; settings: SamplingSettings; seed: number },
  options: CallOptions,
): Promise<SampledByServer & { promptIds: number[][] }> {
  const name = await adapterName(store, policy);
  const { model, adapter, chatTemplate } = (await openPolicyArtifact(store, policy, TOKENIZER_FILES)).policy;
  if (adapter !== undefined && readAdapterConfig(adapter).patterned) {
    // vLLM's PEFTHelper ignores patterns and would apply the same scale to every layer.
    throw new InputError(
      'The adapter has a rank_pattern or alpha_pattern, which servers such as vLLM ignore: ' +
        'sample with the engine (no sample.server), or merge the adapter into its model (selm export).',
    );
  }
  const [tokenizer, config] = [loadTokenizer(model, chatTemplate), readModelConfig(model)];
  const tokenized: TokenizedPrompt[] = [];
  for (const { id, prompt, tools } of prompts) {
    tokenized.push({ id, prompt, tools, tokens: tokenizePrompt({ id, prompt, tools }, tokenizer, config, settings) });
    // Yields to the event loop, so that the worker can send heartbeats while it encodes many prompts.
    await setImmediate();
    options.signal?.throwIfAborted();
  }
  const client = clientOf(server, name);
  const load =
    name === undefined
      ? undefined
      : async () => loadAdapter(client, name, await placed(server, adapter!, name), options.signal);
  const served = { server: client, tokenizer, ...(load && { load }) };
  return {
    ...(await sampleFromServer(served, tokenized, settings, seed, options)),
    promptIds: tokenized.map(({ tokens }) => tokens),
  };
}

/** @param name the adapter's name. Without one, requests go to the server's base model */
export const clientOf = ({ adapterFolder: _folder, workers: _workers, ...server }: SamplerSettings, name?: string) =>
  new ChatServer({ ...server, ...(name !== undefined && { model: name }) });

/** The name of a policy's adapter on a server. It is a hash of the files, so equal adapters have the same name in all runs. */
export async function adapterName(store: ArtifactStore, policy: Address): Promise<string | undefined> {
  const { files } = await store.manifest(policy);
  if (files.some(({ path }) => path.startsWith(`${MODEL}/`))) {
    throw new InputError(
      `Policy ${policy.slice(0, 12)} is a whole model, and servers load adapters only: ` +
        'sample with the engine (no sample.server).',
    );
  }
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
    await cp(adapter, unfinished, { recursive: true });
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
