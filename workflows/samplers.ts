/** What samples a policy's responses, if not the engine: a server of somebody else's, or the worker's own vLLM. */
import type { SampleInput } from '../activities/sample.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { RunConfig } from '../config/run.ts';
import type { BesideMethod } from '../engine/beside-estimate.ts';
import { canUseTorch, labelerSettings } from '../labelers/needs.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { activitiesOf } from './activities.ts';
import type { RunningStep } from './place.ts';
import { runShards, type Shard } from './shards.ts';

/** The part of the activity's input that selects a server or vLLM. Empty if the engine samples. */
export function samplersOf(config: RunConfig): Pick<SampleInput, 'server' | 'vllm'> {
  const { sample, device, gpus } = config;
  const { server, backend, vllm } = sample;
  const beside = besideVllm(config);
  const own = {
    args: vllm?.args ?? [],
    ...(device && { device }),
    ...(gpus !== undefined && { gpus }),
    ...(beside.length > 0 && { beside }),
  };
  return { ...(server && { server }), ...(backend === 'vllm' && { vllm: own }) };
}

/** What the torch backend computes between the responses to the held-out prompts and the next round's samples of the same policy. */
function besideVllm({ backend, label, evaluate }: RunConfig): BesideMethod[] {
  if (backend !== 'torch') return [];
  const labelers = [labelerSettings(label), evaluate.labeler, evaluate.secondJudge];
  return ['divergence', ...(labelers.some((one) => one && canUseTorch(one)) ? ['rank' as const] : [])];
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
