/** Training prompts that benchmarks have, too: how many, and what to tell about them. */
import { counted } from '../../data/counted.ts';

/** Numbers of training prompts, by the name of the benchmark. */
export type SharedCounts = Record<string, number>;

/** Counts training prompts. @param names the name of a benchmark for each prompt that it shares */
export function countShared(names: string[]): SharedCounts {
  const counts: SharedCounts = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** A note on each benchmark. */
export const sharedNotes = (counts: SharedCounts = {}): string[] =>
  Object.entries(counts).map(
    ([name, count]) =>
      `${counted(count, 'training prompt')} ${count === 1 ? 'is' : 'are'} also in the benchmark ${name}: its results do not show what the policy does with new prompts.`,
  );
