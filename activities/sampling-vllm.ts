/** Sampling by the vLLM that the worker starts on its own GPUs. */
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import type { VllmHost, VllmSettings } from '../engine/vllm/host.ts';
import { loadAdapter } from '../openai/client/adapters.ts';
import { ChatServer } from '../openai/client/client.ts';
import { openPolicyArtifact } from './policy.ts';
import {
  checkAdapter,
  nameOfAdapter,
  sampleOn,
  tokenizePrompts,
  type Sampled,
  type SamplingJob,
} from './sampling-server.ts';

/** The longest that a client may set. vLLM is watched, so that a request without an answer waits for others. */
const TIMEOUT_SECONDS = 300;

/**
 * Samples a policy's responses: of a model with an adapter, or with all weights trained.
 * @throws InputError when vLLM cannot serve this policy, and EngineDied when it ends
 */
export async function sampleByOwnVllm(
  vllm: Pick<VllmHost, 'serve'>,
  store: ArtifactStore,
  address: Address,
  settings: VllmSettings,
  job: SamplingJob,
  options: CallOptions,
): Promise<Sampled> {
  const { policy } = await openPolicyArtifact(store, address);
  // Before vLLM is started.
  checkAdapter(policy);
  const prompts = await tokenizePrompts(policy, job, options);
  const longest = prompts.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
  const { url, key, model, concurrency, died } = await vllm.serve(
    policy,
    longest + job.settings.maxNewTokens,
    settings,
    options.signal,
  );
  const name = nameOfAdapter((await store.manifest(address)).files);
  const client = new ChatServer({ url, model: name ?? model, concurrency, timeoutSeconds: TIMEOUT_SECONDS }, key);
  const signal = AbortSignal.any([died, ...(options.signal ? [options.signal] : [])]);
  const load = name === undefined ? undefined : () => loadAdapter(client, name, policy.adapter!, signal);
  return sampleOn({ client, ...(load && { load }) }, policy, prompts, job, { ...options, signal });
}
