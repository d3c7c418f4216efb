/** Sampling by the vLLM that the worker starts on its own GPUs. */
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { CallOptions, Policy } from '../engine/protocol/jobs.ts';
import type { Serving, VllmHost } from '../engine/vllm/host.ts';
import type { VllmSettings } from '../engine/vllm/spec.ts';
import { loadAdapter } from '../openai/client/adapters.ts';
import { OpenAiClient } from '../openai/client/client.ts';
import { openPolicyArtifact } from './policy.ts';
import {
  checkAdapter,
  nameOfAdapter,
  sampleOn,
  tokenizePrompts,
  type OnServer,
  type Sampled,
  type SamplingJob,
} from './sampling-server.ts';
import type { StepContext } from './step.ts';

/** The longest that a client may set. vLLM is watched, so that a request without an answer waits for others. */
const TIMEOUT_SECONDS = 300;

/** A policy on the worker's own vLLM. */
interface OnOwnVllm extends OnServer {
  /** Has the server's URL and its key. */
  serving: Serving;
  /** Aborted when the server dies, and with the activity. */
  signal: AbortSignal;
}

/** @throws Error in a process that does not start vLLM: the workflow has chosen the wrong task queue */
export function vllmOf({ vllm }: StepContext): NonNullable<StepContext['vllm']> {
  if (vllm) return vllm;
  throw new Error('This process does not start vLLM.');
}

/**
 * Starts vLLM, or takes the server that runs.
 * @param served the policy, opened, and the tokens of the longest prompt with its response
 * @throws InputError when vLLM cannot serve this policy
 */
export async function policyOnOwnVllm(
  vllm: Pick<VllmHost, 'serve'>,
  store: ArtifactStore,
  { address, policy, tokens }: { address: Address; policy: Policy; tokens: number },
  settings: VllmSettings,
  options: CallOptions,
): Promise<OnOwnVllm> {
  const serving = await vllm.serve(policy, tokens, settings, options.signal);
  const { url, key, model, concurrency, died } = serving;
  const name = nameOfAdapter((await store.manifest(address)).files);
  const client = new OpenAiClient({ url, model: name ?? model, concurrency, timeoutSeconds: TIMEOUT_SECONDS }, key);
  const signal = AbortSignal.any([died, ...(options.signal ? [options.signal] : [])]);
  if (name === undefined) return { serving, client, signal };
  return { serving, client, signal, load: (stop) => loadAdapter(client, name, policy.adapter!, stop) };
}

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
  const tokens = longest + job.settings.maxNewTokens;
  const { client, load, signal } = await policyOnOwnVllm(vllm, store, { address, policy, tokens }, settings, options);
  return sampleOn({ client, ...(load && { load }) }, policy, prompts, job, { ...options, signal });
}
