/** What samples a policy's responses, if not the engine: a server of somebody else's, or the worker's own vLLM. */
import type { SampleInput } from '../activities/sample.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { RunConfig } from '../config/run.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { activitiesOf } from './activities.ts';
import type { RunningStep } from './place.ts';
import { runShards, type Shard } from './shards.ts';

/** The part of the activity's input that selects a server or vLLM. Empty if the engine samples. */
export function samplersOf({
  sample: { server, backend, vllm },
  device,
  gpus,
}: Pick<RunConfig, 'sample' | 'device' | 'gpus'>): Pick<SampleInput, 'server' | 'vllm'> {
  const own = { args: vllm?.args ?? [], ...(device && { device }), ...(gpus !== undefined && { gpus }) };
  return { ...(server && { server }), ...(backend === 'vllm' && { vllm: own }) };
}

/** Samples all shards of a prompt set. Afterwards, a server unloads the policy's adapter. */
export const sampleShards = (
  running: RunningStep,
  shared: Omit<SampleInput, 'policy' | keyof Shard>,
  policy: Address,
  shards: Shard[],
): Promise<Address[]> =>
  thenUnload(running, policy, shared.server, () => runShards(running, 'sample', { ...shared, policy }, shards));

/** Runs work that loads the policy's adapter into a server, and unloads it afterwards. */
export async function thenUnload<T>(
  running: RunningStep,
  policy: Address,
  server: SamplerSettings | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } finally {
    // If each GPU worker has its own server, it is unknown which servers have loaded the adapter.
    if (server?.workers === 'control') {
      await activitiesOf(running.place).control.unloadAdapter({ policy, server });
    }
  }
}
