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

/** Tokens of a group's longest sequence: its prompt with one response. */
export const longestSequence = ({ prompt, responses }: Group) =>
  prompt.length + Math.max(...responses.map((response) => response.length));

/** Tokens in one pass that only scores: enough rows for full speed of the matrix kernels, little memory. */
export const SCORING_TOKENS = 2048;

/**
 * Divides groups into micro-batches: at most `budget` tokens each, padding included, unless one group alone is longer.
 * Groups of like length share a batch. The result depends on the groups alone.
 * @returns indices into `groups`
 */
export function planBatches(groups: Group[], budget: number): number[][] {
  return planByLength(groups.map(groupLength), budget);
}

/** The same for sequences of the given lengths. */
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
  rows: { prompt: number[]; response: number[] }[],
  budget: number,
): { groups: Group[]; members: number[][] } {
  const groups: Group[] = [];
  const members: number[][] = [];
  const open = new Map<string, number>();
  for (const [i, { prompt, response }] of rows.entries()) {
    const key = prompt.join();
    const at = open.get(key);
    if (at !== undefined && groupLength(groups[at]) + response.length <= budget) {
      groups[at].responses.push(response);
      members[at].push(i);
    } else {
      open.set(key, groups.push({ prompt, responses: [response] }) - 1);
      members.push([i]);
    }
  }
  return { groups, members };
}

/** Logits of one chunk of the output layer: 4 Mi numbers, 16 MiB. */
const CHUNK_LOGITS = 4 * 1024 * 1024;

/** `ids`, `positions`, `segments` [G, S] of groups laid out as rows: the prompt, then its responses, then padding. */
export function packTokens(groups: Group[]): { feeds: Feeds; width: number } {
  const width = Math.max(...groups.map(groupLength));
  const shape = [groups.length, width];
  const ids = new BigInt64Array(groups.length * width);
  const positions = new BigInt64Array(groups.length * width);
  const segments = new BigInt64Array(groups.length * width).fill(-1n);
  for (const [g, { prompt, responses }] of groups.entries()) {
    let at = g * width;
    for (const [segment, tokens] of [prompt, ...responses].entries()) {
      // Every response goes on where the prompt ends.
      const offset = segment === PROMPT ? 0 : prompt.length;
      for (const [i, id] of tokens.entries()) {
        ids[at] = BigInt(id);
        positions[at] = BigInt(offset + i);
        segments[at++] = BigInt(segment);
      }
    }
  }
  return {
    feeds: { ids: int64(ids, shape), positions: int64(positions, shape), segments: int64(segments, shape) },
    width,
  };
}

/**
 * The inputs of a graph over packed sequences: packTokens() and, for the T response tokens in K chunks of C (the last one
 * padded), `rows`, `targets`, `owners` [K, C] (see tokenLogps, sumBySequence). Sequences count through the groups' responses
 * in order.
 */
export function packGroups(groups: Group[], vocabSize: number): { feeds: Feeds; tokens: number } {
  const { feeds, width } = packTokens(groups);
  const rows: number[] = [];
  const targets: number[] = [];
  const owners: number[] = [];
  let sequence = 0;
  for (const [g, { prompt, responses }] of groups.entries()) {
    const promptEnd = g * width + prompt.length - 1;
    let start = promptEnd + 1;
    for (const response of responses) {
      for (const [i, id] of response.entries()) {
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
