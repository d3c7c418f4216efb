/**
 * d-optimal: the pairs that together say most about a linear model of the preferences in the policy's last-layer features. They maximize
 *
 *   log det(γ I + Σ σ'(m) z zᵀ),  z = φ(x, y1) − φ(x, y2),  m = r(y1) − r(y2),  σ'(m) = σ(m) (1 − σ(m))
 *
 * greedily: this is the D-optimal design of arXiv 2503.01076 ("Active Learning for Direct Preference Optimization") with the implicit
 * rewards r of the policy. The sum includes the pairs that are asked in any case.
 *
 * With v = √σ'(m) z, a further pair adds log(residual / γ), where residual = γ + vᵀv − cᵀc and c is the pair's row in the Cholesky factor
 * of γ I + V Vᵀ, V having the selected pairs as rows (fast greedy selection as in arXiv 1709.05135). So one selection costs
 * O(d + selected) for each pair that is brought up to date, and no d × d matrix exists. The gain of a pair only falls as others are
 * selected, so pairs are brought up to date only when they come first (lazy greedy selection, Minoux 1978).
 */
import { setImmediate } from 'node:timers/promises';
import { mean, sigmoid } from '../../../data/numbers.ts';
import { uniform } from '../../../data/random.ts';
import { MaxHeap } from './max-heap.ts';
import { marginOf, type AskablePrompt, type SelectedPair, type Strategy } from './strategy.ts';

export const dOptimal: Strategy = {
  needs: { rewards: true, features: true },
  select: async (prompts, { count, seed, asked }) => {
    // In an order that does not depend on the order of the prompts, and neither do rounding errors.
    const ordered = prompts
      .map((prompt) => ({ prompt, at: uniform(seed, 'prompt', prompt.id) }))
      .sort((a, b) => a.at - b.at)
      .map(({ prompt }) => prompt);
    const pairs = ordered.flatMap((prompt) => prompt.pairs.map((pair) => ({ prompt, pair })));
    const sizes = pairs.map(({ prompt, pair }) => squared(informationOf(prompt, pair)));
    const gamma = typical(sizes);
    const design = new Design(gamma);
    for (const { prompt, pair } of asked) design.add(informationOf(prompt, pair), []);

    const open = new MaxHeap<Open<(typeof prompts)[number]>>(({ residual }) => residual);
    for (const [i, one] of pairs.entries()) open.push({ ...one, residual: gamma + sizes[i], row: [] });
    const taken = new Set<AskablePrompt>();
    const selected: SelectedPair<(typeof prompts)[number]>[] = [];
    while (selected.length < count) {
      const first = open.pop()!;
      const { prompt, pair, row } = first;
      if (taken.has(prompt)) continue;
      const information = informationOf(prompt, pair);
      if (row.length < design.size) {
        first.residual = gamma + squared(information) - squared(design.extend(row, information));
        open.push(first);
        continue;
      }
      design.add(information, row);
      taken.add(prompt);
      selected.push({ prompt, pair, value: Math.log(first.residual / gamma) });
      // Yields to the event loop, so that the worker can send heartbeats.
      await setImmediate();
    }
    return selected;
  },
};

/** A pair that may be selected. */
interface Open<Prompt> {
  prompt: Prompt;
  pair: [number, number];
  /** An upper bound; exact if `row` has an element for each pair of the design. */
  residual: number;
  /** The first elements of its row in the Cholesky factor. */
  row: number[];
}

/** The selected pairs, and the Cholesky factor of γ I + V Vᵀ. */
class Design {
  private readonly gamma: number;
  private readonly vectors: Float64Array[] = [];
  private readonly rows: number[][] = [];
  private readonly diagonal: number[] = [];

  constructor(gamma: number) {
    this.gamma = gamma;
  }

  get size(): number {
    return this.vectors.length;
  }

  /** Appends to a vector's row the elements that it has not yet. */
  extend(row: number[], vector: Float64Array): number[] {
    for (let j = row.length; j < this.size; j++) {
      let sum = dot(vector, this.vectors[j]);
      const other = this.rows[j];
      for (let l = 0; l < j; l++) sum -= other[l] * row[l];
      row.push(sum / this.diagonal[j]);
    }
    return row;
  }

  add(vector: Float64Array, row: number[]): void {
    this.extend(row, vector);
    this.diagonal.push(Math.sqrt(this.gamma + squared(vector) - squared(row)));
    this.rows.push(row);
    this.vectors.push(vector);
  }
}

/** √σ'(m) z: the square root of the pair's information about the model. */
function informationOf(prompt: AskablePrompt, pair: [number, number]): Float64Array {
  const p = sigmoid(marginOf(prompt, pair));
  const weight = Math.sqrt(p * (1 - p));
  const [a, b] = pair.map((at) => prompt.candidates[at].features!);
  const vector = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) vector[i] = weight * (a[i] - b[i]);
  return vector;
}

/** γ: the mean of vᵀv over all pairs, so that the scale of the features makes no difference. 1 if all are 0. */
const typical = (sizes: number[]): number => mean(sizes) || 1;

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function squared(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}
