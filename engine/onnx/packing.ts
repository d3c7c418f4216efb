/** Packs prompts and their responses into the input tensors of graphs. */
import { CHUNK_LOGITS } from '../estimate.ts';
import { BLOCK } from './model/attention-block.ts';
import { groupLength, type Group } from '../training/groups.ts';
import type { Graph } from './graph/tensor.ts';
import { int64, type Feeds } from './session.ts';

/** Tokens per batch where nothing is trained: enough for the matrix kernels' full speed, with little memory. */
export const SCORING_TOKENS = 2048;

/**
 * Divides groups into micro-batches, in order, of at most `budget` tokens each; a longer group is a micro-batch of its own.
 * @returns indices into `groups`
 */
export function planBatches(groups: Group[], budget: number): number[][] {
  const batches: number[][] = [];
  let left = 0;
  for (const [i, group] of groups.entries()) {
    const length = groupLength(group);
    if (batches.length > 0 && length <= left) batches.at(-1)!.push(i);
    else {
      batches.push([i]);
      left = budget;
    }
    left -= length;
  }
  return batches;
}

/**
 * Divides sequences of the given lengths into batches of at most `budget` tokens, including the padding to the longest sequence of a
 * batch. Sequences of similar length go together.
 * @returns indices into `lengths`
 */
export function planByLength(lengths: number[], budget: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  const batches: number[][] = [];
  for (const index of order) {
    const batch = batches.at(-1);
    // The first sequence of a batch is its longest.
    if (batch && (batch.length + 1) * lengths[batch[0]] <= budget) batch.push(index);
    else batches.push([index]);
  }
  return batches;
}

/** The largest number of queries in a block of attention. */
const BLOCK_QUERIES = 256;

/** Divides a segment into blocks of similar size. @param keys range of the prompt that the segment attends to */
function blocksOf(keys: [from: number, to: number], from: number, to: number): number[][] {
  const count = Math.ceil((to - from) / BLOCK_QUERIES);
  const cut = (i: number) => from + Math.floor(((to - from) * i) / count);
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [cut(i), cut(i + 1)];
    return [...keys, from, start, end, end - start, keys[1] - keys[0] + start - from];
  });
}

/** The inputs that packTokens() feeds. */
export function packedInputs(g: Graph) {
  const [ids, positions] = ['ids', 'positions'].map((name) => g.input(name, 'int64', [1, 'S']));
  return { ids, positions, blocks: g.input('blocks', 'int64', ['blocks', BLOCK.length]) };
}

/**
 * Concatenates groups into one row, each as its prompt followed by its responses: the inputs `ids` and `positions`, [1, S], and `blocks`
 * (see packedAttention).
 * @returns also the index in the row at which each group starts
 */
export function packTokens(groups: Group[]): { feeds: Feeds; starts: number[] } {
  const ids: number[] = [];
  const positions: number[] = [];
  const blocks: number[][] = [];
  const starts: number[] = [];
  for (const { prompt, responses } of groups) {
    const start = ids.length;
    starts.push(start);
    const promptEnd = start + prompt.length;
    for (const id of prompt) positions.push(ids.push(id) - 1 - start);
    for (const response of responses) {
      // The positions of every response continue those of the prompt.
      for (const [i, id] of response.entries()) {
        ids.push(id);
        positions.push(prompt.length + i);
      }
    }
    // A prompt and its first response are one plain sequence.
    const firstEnd = promptEnd + (responses[0]?.length ?? 0);
    blocks.push(...blocksOf([start, start], start, firstEnd));
    let at = firstEnd;
    for (const { length } of responses.slice(1)) blocks.push(...blocksOf([start, promptEnd], at, (at += length)));
  }
  const shape = [1, ids.length];
  return {
    feeds: {
      ids: int64(ids, shape),
      positions: int64(positions, shape),
      blocks: int64(blocks.flat(), [blocks.length, BLOCK.length]),
    },
    starts,
  };
}

/**
 * The inputs of a graph over packed sequences: those of packTokens(), and for the T response tokens that count, in K chunks of C (the last
 * one padded), `rows`, `targets` and `owners`, [K, C] (see tokenLogps, sumBySequence). Sequences are numbered through the responses of
 * all groups, in order.
 * @returns also each sequence's last token in the row (of a response without tokens: the prompt's last), and the number of tokens in it
 */
export function packGroups(groups: Group[], vocabSize: number): { feeds: Feeds; lasts: number[]; tokens: number } {
  const { feeds, starts } = packTokens(groups);
  const rows: number[] = [];
  const targets: number[] = [];
  const owners: number[] = [];
  const lasts: number[] = [];
  let sequence = 0;
  for (const [g, { prompt, responses, trained }] of groups.entries()) {
    const promptEnd = starts[g] + prompt.length - 1;
    let start = promptEnd + 1;
    for (const [r, response] of responses.entries()) {
      for (const [i, id] of response.entries()) {
        if (trained?.[r]?.[i] === false) continue;
        // The last token of the prompt predicts the first token of every response.
        rows.push(i === 0 ? promptEnd : start + i - 1);
        targets.push(id);
        owners.push(sequence);
      }
      start += response.length;
      lasts.push(response.length === 0 ? promptEnd : start - 1);
      sequence++;
    }
  }
  const T = targets.length;
  // At least one chunk, of padding where no response has a token.
  const K = Math.max(1, Math.ceil((T * vocabSize) / CHUNK_LOGITS));
  const C = Math.max(1, Math.ceil(T / K));
  const padded = (values: number[], filler: number) =>
    int64([...values, ...Array<number>(K * C - T).fill(filler)], [K, C]);
  return {
    feeds: { ...feeds, rows: padded(rows, 0), targets: padded(targets, 0), owners: padded(owners, -1) },
    lasts,
    tokens: groups.reduce((total, group) => total + groupLength(group), 0),
  };
}
