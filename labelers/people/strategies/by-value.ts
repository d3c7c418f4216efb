/** Strategies that give each pair a value of its own: the pair of a prompt and the prompts with the highest values are selected. */
import { uniform } from '../../../data/random.ts';
import type { AskablePrompt, SelectedPair, Strategy } from './strategy.ts';

/** Where values are equal, prompts and their pairs are selected uniformly at random, by hashes of seed and prompt. */
export function byValue(
  needs: Strategy['needs'],
  valueOf: (prompt: AskablePrompt, pair: [number, number]) => number,
): Strategy {
  return {
    needs,
    select: async (prompts, { count, seed }) =>
      prompts
        .map((prompt) => ({ best: bestPair(prompt, valueOf, seed), order: uniform(seed, 'prompt', prompt.id) }))
        .sort((a, b) => b.best.value - a.best.value || a.order - b.order)
        .slice(0, count)
        .map(({ best }) => best),
  };
}

function bestPair<Prompt extends AskablePrompt>(
  prompt: Prompt,
  valueOf: (prompt: AskablePrompt, pair: [number, number]) => number,
  seed: number,
): SelectedPair<Prompt> {
  const valued = prompt.pairs.map((pair) => ({ prompt, pair, value: valueOf(prompt, pair) }));
  const highest = Math.max(...valued.map(({ value }) => value));
  const equal = valued.filter(({ value }) => value === highest);
  return equal[Math.floor(uniform(seed, 'pair', prompt.id) * equal.length)];
}
