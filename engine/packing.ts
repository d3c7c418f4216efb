/** From prompts with their responses to the rectangular arrays a graph takes. */
import { PROMPT } from './model/attention.ts';
import { int64, type Feeds } from './session.ts';

/** A prompt and the responses that share it, as token ids. The prompt has at least one token, as has each response. */
export interface Group {
  prompt: number[];
  responses: number[][];
}

/** Tokens a group occupies: its prompt is computed once for all its responses. */
export const groupLength = ({ prompt, responses }: Group) =>
  responses.reduce((total, response) => total + response.length, prompt.length);

/**
 * Divides groups into micro-batches: at most `budget` tokens each, padding included, unless one group alone is longer.
 * Groups of like length share a batch. The result depends on the groups alone.
 * @returns indices into `groups`
 */
export function planBatches(groups: Group[], budget: number): number[][] {
  const lengths = groups.map(groupLength);
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

/** Logits of one chunk of the output layer: 4 Mi numbers, 16 MiB. */
const CHUNK_LOGITS = 4 * 1024 * 1024;

/**
 * The inputs of a graph over packed sequences. With G groups of at most S tokens, N sequences, and their T response tokens in
 * K chunks of C (the last padded):
 * `ids`, `positions`, `segments` [G, S]; `rows`, `targets`, `owners` [K, C] (see tokenLogps, sumBySequence).
 * Sequences count through the groups' responses in order.
 */
export function packGroups(groups: Group[], vocabSize: number): { feeds: Feeds; tokens: number } {
  const G = groups.length;
  const S = Math.max(...groups.map(groupLength));
  const ids = new BigInt64Array(G * S);
  const positions = new BigInt64Array(G * S);
  const segments = new BigInt64Array(G * S).fill(-1n);
  const rows: number[] = [];
  const targets: number[] = [];
  const owners: number[] = [];
  let sequence = 0;
  for (const [g, { prompt, responses }] of groups.entries()) {
    const base = g * S;
    for (const [i, id] of prompt.entries()) {
      ids[base + i] = BigInt(id);
      positions[base + i] = BigInt(i);
      segments[base + i] = BigInt(PROMPT);
    }
    let start = base + prompt.length;
    for (const [r, response] of responses.entries()) {
      for (const [i, id] of response.entries()) {
        ids[start + i] = BigInt(id);
        positions[start + i] = BigInt(prompt.length + i);
        segments[start + i] = BigInt(r + 1);
        // The first token of every response is predicted by the prompt's last.
        rows.push(i === 0 ? base + prompt.length - 1 : start + i - 1);
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
  const feeds = {
    ids: int64(ids, [G, S]),
    positions: int64(positions, [G, S]),
    segments: int64(segments, [G, S]),
    rows: padded(rows, 0),
    targets: padded(targets, 0),
    owners: padded(owners, -1),
  };
  return { feeds, tokens: groups.reduce((total, group) => total + groupLength(group), 0) };
}
