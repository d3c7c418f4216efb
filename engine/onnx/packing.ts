/** From prompts with their responses to the arrays a graph takes. */
import { CHUNK_LOGITS } from '../estimate.ts';
import { BLOCK } from './model/attention-block.ts';
import type { Graph } from './graph/tensor.ts';
import { int64, type Feeds } from './session.ts';

/** A prompt and the responses that share it, as token ids. The prompt has at least one token, as has each response. */
export interface Group {
  prompt: number[];
  responses: number[][];
  /** Of each response: which of its tokens count. Default: all. */
  trained?: (boolean[] | undefined)[];
}

/** What all sequences begin with: a chat template's system prompt, say. */
export function commonPrefix(sequences: number[][]): number[] {
  const [first = [], ...others] = sequences;
  const differs = first.findIndex((token, i) => others.some((other) => other[i] !== token));
  return differs < 0 ? first : first.slice(0, differs);
}

/** Tokens a group occupies: its prompt is computed once for all its responses. */
export const groupLength = ({ prompt, responses }: Group) =>
  responses.reduce((total, response) => total + response.length, prompt.length);

/** Tokens in one pass that only scores: enough rows for full speed of the matrix kernels, little memory. */
export const SCORING_TOKENS = 2048;

/**
 * Divides groups into micro-batches, in order: at most `budget` tokens each, unless one group alone is longer.
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
 * Divides sequences of the given lengths into batches of at most `budget` tokens, padding to the longest of a batch included:
 * those of like length go together.
 * @returns indices into `lengths`
 */
export function planByLength(lengths: number[], budget: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  const batches: number[][] = [];
  for (const index of order) {
    const batch = batches.at(-1);
    // The first of a batch is its longest: every other is padded to it.
    if (batch && (batch.length + 1) * lengths[batch[0]] <= budget) batch.push(index);
    else batches.push([index]);
  }
  return batches;
}

/**
 * Rows that share a prompt go together, as far as they fit a pass of `budget` tokens: the prompt is computed once for them.
 * @returns the groups, and for each the rows that its responses are of
 */
export function groupByPrompt(
  rows: { prompt: number[]; response: number[]; trained?: boolean[] }[],
  budget: number,
): { groups: Group[]; members: number[][] } {
  const groups: Group[] = [];
  const members: number[][] = [];
  const open = new Map<string, number>();
  for (const [i, { prompt, response, trained }] of rows.entries()) {
    const key = prompt.join();
    const at = open.get(key);
    if (at !== undefined && groupLength(groups[at]) + response.length <= budget) {
      groups[at].responses.push(response);
      groups[at].trained!.push(trained);
      members[at].push(i);
    } else {
      open.set(key, groups.push({ prompt, responses: [response], trained: [trained] }) - 1);
      members.push([i]);
    }
  }
  return { groups, members };
}

/** Queries of one block of attention, at most. */
const BLOCK_QUERIES = 256;

/** Cuts a segment into blocks of like size. @param keys which of its prompt it sees */
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
 * Groups laid end to end in one row, each its prompt and then its responses: `ids`, `positions` [1, S], and the `blocks` of
 * their attention (see packedAttention).
 * @returns also where in the row each group starts
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
      // Every response goes on where the prompt ends.
      for (const [i, id] of response.entries()) {
        ids.push(id);
        positions.push(prompt.length + i);
      }
    }
    // A prompt and its first response are one sequence like any other.
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
 * The inputs of a graph over packed sequences: packTokens() and, for the T response tokens that count in K chunks of C (the
 * last one padded), `rows`, `targets`, `owners` [K, C] (see tokenLogps, sumBySequence). Sequences count through the groups' responses
 * in order.
 */
export function packGroups(groups: Group[], vocabSize: number): { feeds: Feeds; tokens: number } {
  const { feeds, starts } = packTokens(groups);
  const rows: number[] = [];
  const targets: number[] = [];
  const owners: number[] = [];
  let sequence = 0;
  for (const [g, { prompt, responses, trained }] of groups.entries()) {
    const promptEnd = starts[g] + prompt.length - 1;
    let start = promptEnd + 1;
    for (const [r, response] of responses.entries()) {
      for (const [i, id] of response.entries()) {
        if (trained?.[r]?.[i] === false) continue;
        // The prompt's last token predicts the first of every response.
        rows.push(i === 0 ? promptEnd : start + i - 1);
        targets.push(id);
        owners.push(sequence);
      }
      start += response.length;
      sequence++;
    }
  }
  const T = targets.length;
  const K = Math.ceil((T * vocabSize) / CHUNK_LOGITS);
  const C = Math.ceil(T / K);
  const padded = (values: number[], filler: number) =>
    int64([...values, ...Array<number>(K * C - T).fill(filler)], [K, C]);
  return {
    feeds: { ...feeds, rows: padded(rows, 0), targets: padded(targets, 0), owners: padded(owners, -1) },
    tokens: groups.reduce((total, group) => total + groupLength(group), 0),
  };
}
