/** Log-probabilities in the two formats of the OpenAI API. */
import type { ChatLogprobs, CompletionLogprobs } from '../schema/logprobs.ts';
import type { Responder, ScoredTokens } from './responder.ts';

/** Token names in log-probabilities. */
export interface TokenNames {
  /** In completions: `bytes:\xe2\x80` for a token whose bytes are not valid UTF-8. */
  ofCompletion(id: number): string;
  /** In chats: `\xe2\x80` for a token whose bytes are not valid UTF-8. */
  ofChat(id: number): string;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param asIds vLLM's `return_tokens_as_token_ids`: names are `token_id:` and the id */
export function tokenNames(responder: Responder, asIds: boolean): TokenNames {
  const nameOf = (id: number, prefix: string) => {
    if (asIds) return `token_id:${id}`;
    const bytes = responder.tokenBytes(id);
    try {
      return strict.decode(bytes);
    } catch (error) {
      // decode() throws a TypeError for a part of a character.
      if (!(error instanceof TypeError)) throw error;
      return prefix + [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
    }
  };
  return { ofCompletion: (id) => nameOf(id, 'bytes:'), ofChat: (id) => nameOf(id, '') };
}

/**
 * The log-probabilities of a completion, as parallel lists. The first token of a sequence has `null`.
 * @param count number of alternatives per token
 * @param start index of this text in the text of the whole response
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
      // The list always contains the token itself. If two tokens have the same name, the entry of the more probable one is kept.
      entries.push([nameOf(tokens[i]), score.logp]);
      return Object.fromEntries(entries.toSorted(([, a], [, b]) => a - b));
    }),
    text_offset: offsets(tokens, responder).map((offset) => start + offset),
  };
}

/** Index of each token in the text. A token that completes a character has the index of that character. */
function offsets(tokens: number[], responder: Responder): number[] {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let offset = 0;
  return tokens.map((id, i) => {
    const before = offset;
    const text = responder.decode([id]);
    // The text contains neither special tokens nor the leading space of its first token.
    if (text !== '')
      offset +=
        i === 0 && text !== '\ufffd' ? text.length : utf8.decode(responder.tokenBytes(id), { stream: true }).length;
    return before;
  });
}

/**
 * The log-probabilities of a chat response, one object per token.
 * @param count number of alternatives per token
 */
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
