/** The responses of a policy to a benchmark, as the workflow samples them. */
import { benchmarkPrompts } from '../../../activities/benchmarks/index.ts';
import { prepare } from '../../../activities/prepare.ts';
import { sample } from '../../../activities/sample.ts';
import type { StepContext } from '../../../activities/step.ts';
import type { Address } from '../../../artifacts/manifest.ts';
import type { Benchmark } from '../../../config/benchmarks.ts';
import { tinyLimits } from '../../tiny-model.ts';

/** Stores a model folder as a policy. @param train a file of prompts */
export async function importPolicy(context: StepContext, model: string, train: string): Promise<Address> {
  const { policy } = await prepare(
    context,
    { model, prompts: { train, heldOut: 1 }, limits: tinyLimits, label: { by: 'verifier' }, rounds: 1, seed: 0 },
    {},
  );
  return policy;
}

/** Samples all turns, two prompts a shard. */
export async function sampleBenchmark(context: StepContext, policy: Address, benchmark: Benchmark): Promise<Address[]> {
  const responses: Address[] = [];
  for (let more = true; more;) {
    const turn = await benchmarkPrompts(context, { benchmark, responses }, {});
    const sampled: Address[] = [];
    for (const { address: prompts, count, settings } of turn.sets) {
      for (let from = 0; from < count; from += 2) {
        const shard = { policy, prompts, from, to: Math.min(count, from + 2), seed: 1, threads: 1 };
        const sampling = { samplesPerPrompt: 1, topP: 1, topK: 0, batchSize: 2, weights: 'f32' as const, ...settings };
        sampled.push((await sample(context, { ...shard, settings: sampling }, {})).address);
      }
    }
    responses.push(...sampled);
    ({ more } = turn);
  }
  return responses;
}
