/** Log-probabilities in the two forms of the OpenAI API. */
import type { Answer } from './answers.ts';

type Decode = (ids: number[]) => string;

/** As completions have them: parallel lists, `null` for a token that nothing comes before. */
export function completionLogprobs({ tokens, scores }: Answer, count: number, decode: Decode) {
  const texts = tokens.map((id) => decode([id]));
  let offset = 0;
  return {
    tokens: texts,
    token_logprobs: scores!.map((score) => score?.logp ?? null),
    top_logprobs: scores!.map((score, i) => {
      if (!score) return null;
      const entries: [string, number][] = score.top.slice(0, count).map(({ id, logp }) => [decode([id]), logp]);
      // The token itself is always among them. Where two tokens have one text, the likelier speaks for it.
      entries.push([texts[i], score.logp]);
      return Object.fromEntries(entries.toSorted(([, a], [, b]) => a - b));
    }),
    text_offset: texts.map((text) => (offset += text.length) - text.length),
  };
}

/** As chats have them: an entry a token. */
export function chatLogprobs({ tokens, scores }: Answer, count: number, decode: Decode) {
  const entry = (id: number, logprob: number) => {
    const token = decode([id]);
    return { token, logprob, bytes: [...Buffer.from(token)] };
  };
  return {
    content: tokens.map((id, i) => ({
      ...entry(id, scores![i]!.logp),
      top_logprobs: scores![i]!.top.slice(0, count).map((other) => entry(other.id, other.logp)),
    })),
    refusal: null,
  };
}
