/** How an assistant's turn ends in what a chat template writes. */

/** Tokens of a tokenizer, by their texts: they tell how a turn ends. */
export interface TokenNames {
  /** Every added token's text. */
  added: string[];
  /** Tokens that end an answer: the tokenizer's EOS and those of the model's configuration. */
  stops: string[];
  /** `bos_token`, `eos_token` and so on: variables of every template. */
  special: Record<string, string>;
}

/** How an answer's turn ends. */
export interface Ending {
  /** What the template writes after the answer of the last turn. */
  tail: string;
  /** Length of the part of `tail` that belongs to the turn; the rest comes after its end. */
  kept: number;
  /** The token that ends the turn. */
  token: string | undefined;
  /** Whether the template does not write this token, so that it is appended. */
  isAppended: boolean;
}

/** How answers end. @param tail what the template writes after the answer of the last turn */
export function endingOf(tail: string, { added, stops, special }: TokenNames): Ending {
  const found = firstOf(tail, stops) ?? firstOf(tail, notBlank(added));
  if (found) return { tail, kept: found.end, token: found.token, isAppended: false };
  // The template leaves the end to the caller: the tokenizer's EOS closes the turn, after the text that the template ends it with.
  return { tail, kept: tail.trimEnd().length, token: special['eos_token'], isAppended: true };
}

/** Many templates have a token that consists of spaces as plain text. */
export const notBlank = (tokens: string[]): string[] => tokens.filter((token) => token.trim() !== '');

/** Index at which the tokens and the white space at the end of a text begin; the length of the text if no token ends it. */
export function trailingTokens(text: string, tokens: string[]): number {
  let start = text.length;
  for (;;) {
    const rest = text.slice(0, start).trimEnd();
    const found = tokens.filter((token) => rest.endsWith(token)).sort((a, b) => b.length - a.length);
    if (found.length === 0) return start;
    start = rest.length - found[0].length;
  }
}

/** The first of the tokens in a text; the longest if several begin at the same place. */
export function firstOf(text: string, tokens: string[]): { token: string; end: number } | undefined {
  const found = tokens.filter((token) => token !== '' && text.includes(token));
  const [token] = found.sort((a, b) => text.indexOf(a) - text.indexOf(b) || b.length - a.length);
  return token === undefined ? undefined : { token, end: text.indexOf(token) + token.length };
}
