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

/** How the turn of an ordinary answer ends, and where turns end in texts. */
export class TurnEnding {
  /** What the template writes after the answer of the last turn. */
  readonly tail: string;
  /** Length of the part of `tail` that belongs to the turn; the rest comes after its end. */
  readonly kept: number;
  /** The token that ends the turn. */
  readonly token: string | undefined;
  /** Whether the template does not write this token, so that it is appended. */
  readonly isAppended: boolean;
  private readonly names: TokenNames;

  /** @param tail what the template writes after the answer of the last turn */
  constructor(tail: string, names: TokenNames) {
    this.tail = tail;
    this.names = names;
    const found = firstOf(tail, names.stops) ?? firstOf(tail, notBlank(names.added));
    // Without one, the template leaves the end to the caller: the tokenizer's EOS closes the turn, after the text that the template writes.
    this.isAppended = found === undefined;
    this.kept = found?.end ?? tail.trimEnd().length;
    this.token = found ? found.token : names.special['eos_token'];
  }

  /** A text up to the end of its last turn. @param answerStart index of the answer: the end of an earlier turn does not count */
  close(text: string, answerStart: () => number): string {
    const { tail, kept, token = '', isAppended } = this;
    if (!isAppended && text.endsWith(tail)) return text.slice(0, text.length - tail.length + kept);
    const written = this.writtenEnd(text, answerStart);
    if (written !== undefined) return text.slice(0, written);
    if (isAppended) return (text.endsWith(tail) ? text.slice(0, text.length - tail.length + kept) : text) + token;
    const last = text.lastIndexOf(token);
    return last < answerStart() ? text + token : text.slice(0, last + token.length);
  }

  /** Index after the first token in a text that ends a turn: one that stops generation, or the one that ends an ordinary answer. */
  endIn(text: string): number | undefined {
    const { token = '', isAppended } = this;
    return firstOf(text, isAppended ? this.names.stops : [...this.names.stops, token])?.end;
  }

  /** Index after the first added token in a text. Tokens of white space do not count. */
  addedIn(text: string): number | undefined {
    return firstOf(text, notBlank(this.names.added))?.end;
  }

  /**
   * Index after the token that ends a text whose last turn ends otherwise than an ordinary answer, such as one that calls a tool. Undefined
   * if no token ends it.
   */
  private writtenEnd(text: string, answerStart: () => number): number | undefined {
    const run = trailingTokens(text, notBlank([...this.names.stops, ...this.names.added]));
    if (run === text.length) return undefined;
    const from = Math.max(run, answerStart());
    const tokens = text.slice(from);
    // A token that stops nothing may be a part of the answer, unless the template ends answers itself.
    const end = this.endIn(tokens) ?? (this.isAppended ? 0 : tokens.trimEnd().length);
    return end > 0 ? from + end : undefined;
  }

  /** The text that ends an answer; empty if a token ends it. */
  get endText(): string {
    const { tail, kept, isAppended } = this;
    return isAppended ? tail.slice(0, kept) : '';
  }

  /** An answer's text without the text that the template ends it with. */
  withoutEnd(text: string): string {
    const end = this.endText;
    return end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text;
  }
}

/** Many templates have a token that consists of spaces as plain text. */
const notBlank = (tokens: string[]): string[] => tokens.filter((token) => token.trim() !== '');

/** Index at which the tokens and the white space at the end of a text begin; the length of the text if no token ends it. */
function trailingTokens(text: string, tokens: string[]): number {
  let start = text.length;
  for (;;) {
    const rest = text.slice(0, start).trimEnd();
    const found = tokens.filter((token) => rest.endsWith(token)).sort((a, b) => b.length - a.length);
    if (found.length === 0) return start;
    start = rest.length - found[0].length;
  }
}

/** The first of the tokens in a text; the longest if several begin at the same place. */
function firstOf(text: string, tokens: string[]): { token: string; end: number } | undefined {
  const found = tokens.filter((token) => token !== '' && text.includes(token));
  const [token] = found.sort((a, b) => text.indexOf(a) - text.indexOf(b) || b.length - a.length);
  return token === undefined ? undefined : { token, end: text.indexOf(token) + token.length };
}
