/** Computes reference log-probabilities of preferences by shards, as a round does. */
import { reference } from '../../activities/reference.ts';
import type { StepContext } from '../../activities/step.ts';
import type { TrainingSettings } from '../../engine/protocol/settings.ts';

/** Runs the step `reference`. @returns the artifacts, one per shard of at most `size` preferences */
export async function referenceLogps(
  context: StepContext,
  made: { policy: string; preferences: string },
  { maxLength, maxPromptLength }: TrainingSettings,
  count: number,
  size = count,
): Promise<string[]> {
  const limits = { maxLength, maxPromptLength };
  const addresses: string[] = [];
  for (let from = 0; from < count; from += size) {
    const shard = { ...made, from, to: Math.min(count, from + size), limits, threads: 2 };
    addresses.push((await reference(context, shard, {})).address);
  }
  return addresses;
}
