/** Decodes a response token by token. The time per token does not depend on the length of the response. */
import type { ModelTokenizer } from '../../engine/tokenizer/tokenizer.ts';

/** The parts of a tokenizer that decoding needs. */
export type ResponseTokenizer = Pick<
  ModelTokenizer,
  'decode' | 'decodeAnswer' | 'isByteFallback' | 'eosIds' | 'endText'
>;

/** Decodes the tokens of one response incrementally. */
export class ResponseDecoder {
  /** The final text of the first tokens: later tokens do not change it. */
  settled = '';
  private readonly tokenizer: ResponseTokenizer;
  /** The remaining tokens, and their text. */
  private open: number[] = [];
  private openText = '';
  /** The tokens before `open`, as context: a tokenizer decodes the beginning of a text differently. */
  private before: number[];
  private beforeText: string;

  constructor(tokenizer: ResponseTokenizer, prompt: number[]) {
    this.tokenizer = tokenizer;
    this.before = prompt;
    this.beforeText = tokenizer.decode(prompt);
  }

  /** The text of all tokens, as decodeAnswer() returns it. */
  get text(): string {
    return this.settled + this.openText;
  }

  /** The part of the text that later tokens do not change. It excludes an incomplete character at the end. */
  get stableText(): string {
    const last = this.open.at(-1);
    if (last === undefined || this.tokenizer.isByteFallback(last)) return this.settled;
    return this.settled + withoutUnfinished(this.openText);
  }

  add(token: number): void {
    const { tokenizer, before, beforeText, open } = this;
    open.push(token);
    const whole = tokenizer.decode([...before, ...open]);
    this.openText = whole.startsWith(beforeText) ? whole.slice(beforeText.length) : tokenizer.decode(open);
    if (this.openText === '' || this.openText.endsWith('\ufffd') || tokenizer.isByteFallback(token)) return;
    this.settled += this.openText;
    [this.before, this.beforeText] = [open, tokenizer.decode(open)];
    [this.open, this.openText] = [[], ''];
  }
}

/** A text without the replacement characters of an incomplete character at its end. */
export function withoutUnfinished(text: string): string {
  let { length } = text;
  while (text[length - 1] === '\ufffd') length--;
  return text.slice(0, length);
}
