/** Training prompts that benchmarks have, too: how many, and what to tell about them. */
import { counted } from '../../data/counted.ts';

/** Numbers of training prompts, by the name of the benchmark. */
export type SharedCounts = Partial<Record<string, number>>;

/** A note on each benchmark. */
export const sharedNotes = (counts: SharedCounts = {}): string[] =>
  Object.entries(counts).map(
    ([name, count = 0]) =>
      `${counted(count, 'training prompt')} ${count === 1 ? 'is' : 'are'} also in the benchmark ${name}: its results do not show what the policy does with new prompts.`,
  );
