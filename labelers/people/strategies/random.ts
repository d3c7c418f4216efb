/** random: prompts uniformly at random, and of each a pair uniformly at random. The baseline of the other strategies. */
import { byValue } from './by-value.ts';

export const random = byValue({}, () => 0);
