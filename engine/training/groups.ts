/** Prompts with all of their responses: each backend computes a prompt once for its responses. */

/** A prompt and the responses that share it, as token ids. The prompt and each response have at least one token. */
export interface Group {
  prompt: number[];
  responses: number[][];
  /** For each response, which of its tokens count. Default: all. */
  trained?: (boolean[] | undefined)[];
}

/** A row to train on, tokenized. */
export interface Example {
  group: Group;
}

/** The longest common prefix of sequences, for example a chat template's system prompt. */
export function commonPrefix(sequences: number[][]): number[] {
  const [first = [], ...others] = sequences;
  const differs = first.findIndex((token, i) => others.some((other) => other[i] !== token));
  return differs < 0 ? first : first.slice(0, differs);
}

/** Number of tokens of a group, whose prompt is computed once for all responses. */
export const groupLength = ({ prompt, responses }: Group) =>
  responses.reduce((total, response) => total + response.length, prompt.length);

/**
 * Groups rows that share a prompt, so that it is computed once, into groups of at most `budget` tokens.
 * @returns the groups, and for each the indices of its responses' rows
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
