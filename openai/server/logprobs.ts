/** Log-probabilities in the two forms of the OpenAI API. */
import type { Answers, Scored } from './answers.ts';

/** What tokens are called. */
export interface TokenNames {
  /** As completions have them: `bytes:\xe2\x80` where a token is no text. */
  ofCompletion(id: number): string;
  /** As chats have them: `\xe2\x80` where it is none. */
  ofChat(id: number): string;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param asIds by `token_id:` and the id, as vLLM has it for `return_tokens_as_token_ids` */
export function tokenNames(answers: Answers, asIds: boolean): TokenNames {
  const nameOf = (id: number, prefix: string) => {
    if (asIds) return `token_id:${id}`;
    const bytes = answers.tokenBytes(id);
    try {
      return strict.decode(bytes);
    } catch {
      return prefix + [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
    }
  };
  return { ofCompletion: (id) => nameOf(id, 'bytes:'), ofChat: (id) => nameOf(id, '') };
}

/**
 * As completions have them: parallel lists, `null` for a token that nothing comes before.
 * @param start where the text begins in the whole answer's
 */
export function completionLogprobs(
  { tokens, scores }: Scored,
  count: number,
  answers: Answers,
  { ofCompletion: nameOf }: TokenNames,
  start = 0,
) {
  return {
    tokens: tokens.map(nameOf),
    token_logprobs: scores!.map((score) => score?.logp ?? null),
    top_logprobs: scores!.map((score, i) => {
      if (!score) return null;
      const entries: [string, number][] = score.top.slice(0, count).map(({ id, logp }) => [nameOf(id), logp]);
      // The token itself is always among them. Where two tokens have one text, the likelier speaks for it.
      entries.push([nameOf(tokens[i]), score.logp]);
      return Object.fromEntries(entries.toSorted(([, a], [, b]) => a - b));
    }),
    text_offset: offsets(tokens, answers).map((offset) => start + offset),
  };
}

/** Where each token begins in the text; one that ends a character begins where that does. */
function offsets(tokens: number[], answers: Answers): number[] {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let offset = 0;
  return tokens.map((id, i) => {
    const before = offset;
    const text = answers.decode([id]);
    // Special tokens are not in the text, and neither is the space that a text's first token begins with.
    if (text !== '')
      offset +=
        i === 0 && text !== '\ufffd' ? text.length : utf8.decode(answers.tokenBytes(id), { stream: true }).length;
    return before;
  });
}

/** As chats have them: an entry a token. */
export function chatLogprobs(
  { tokens, scores }: Scored,
  count: number,
  answers: Answers,
  { ofChat: nameOf }: TokenNames,
) {
  const entry = (id: number, logprob: number) => ({ token: nameOf(id), logprob, bytes: [...answers.tokenBytes(id)] });
  return {
    content: tokens.map((id, i) => ({
      ...entry(id, scores![i]!.logp),
      top_logprobs: scores![i]!.top.slice(0, count).map((other) => entry(other.id, other.logp)),
    })),
    refusal: null,
  };
}
