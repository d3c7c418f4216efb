/** Log-probabilities in the two forms of the OpenAI API. */
import type { ChatLogprobs, CompletionLogprobs } from '../schema/logprobs.ts';
import type { Responder, ScoredTokens } from './responder.ts';

/** How log-probabilities name tokens. */
export interface TokenNames {
  /** In completions: `bytes:\xe2\x80` where a token's bytes are no text. */
  ofCompletion(id: number): string;
  /** In chats: `\xe2\x80` where a token's bytes are no text. */
  ofChat(id: number): string;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param asIds vLLM's `return_tokens_as_token_ids`: `token_id:` and the id */
export function tokenNames(responder: Responder, asIds: boolean): TokenNames {
  const nameOf = (id: number, prefix: string) => {
    if (asIds) return `token_id:${id}`;
    const bytes = responder.tokenBytes(id);
    try {
      return strict.decode(bytes);
    } catch (error) {
      // Part of a character, as decode() says it.
      if (!(error instanceof TypeError)) throw error;
      return prefix + [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
    }
  };
  return { ofCompletion: (id) => nameOf(id, 'bytes:'), ofChat: (id) => nameOf(id, '') };
}

/**
 * Parallel lists, `null` for the first token of a sequence.
 * @param count alternatives to each token
 * @param start index of the text in that of the whole response
 */
export function completionLogprobs(
  { tokens, scores }: ScoredTokens,
  count: number,
  responder: Responder,
  { ofCompletion: nameOf }: TokenNames,
  start = 0,
): CompletionLogprobs {
  return {
    tokens: tokens.map(nameOf),
    token_logprobs: scores!.map((score) => score?.logp ?? null),
    top_logprobs: scores!.map((score, i) => {
      if (!score) return null;
      const entries: [string, number][] = score.top.slice(0, count).map(({ id, logp }) => [nameOf(id), logp]);
      // The token itself is always among them. Of two tokens with the same name, the likelier one's entry remains.
      entries.push([nameOf(tokens[i]), score.logp]);
      return Object.fromEntries(entries.toSorted(([, a], [, b]) => a - b));
    }),
    text_offset: offsets(tokens, responder).map((offset) => start + offset),
  };
}

/** Index of each token in the text; one that completes a character has the index of that character. */
function offsets(tokens: number[], responder: Responder): number[] {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let offset = 0;
  return tokens.map((id, i) => {
    const before = offset;
    const text = responder.decode([id]);
    // Special tokens are not in the text, and neither is the space that a text's first token begins with.
    if (text !== '')
      offset +=
        i === 0 && text !== '\ufffd' ? text.length : utf8.decode(responder.tokenBytes(id), { stream: true }).length;
    return before;
  });
}

/** @param count alternatives to each token */
export function chatLogprobs(
  { tokens, scores }: ScoredTokens,
  count: number,
  responder: Responder,
  { ofChat: nameOf }: TokenNames,
): ChatLogprobs {
  const entry = (id: number, logprob: number) => ({ token: nameOf(id), logprob, bytes: [...responder.tokenBytes(id)] });
  return {
    content: tokens.map((id, i) => ({
      ...entry(id, scores![i]!.logp),
      top_logprobs: scores![i]!.top.slice(0, count).map((other) => entry(other.id, other.logp)),
    })),
    refusal: null,
  };
}
