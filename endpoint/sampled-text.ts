/** The text of an answer as its tokens come, up to the first stop text. */
import type { NewTokens } from '../engine/jobs.ts';
import type { ModelTokenizer } from '../engine/model/tokenizer.ts';

type Tokenizer = Pick<ModelTokenizer, 'decodeAnswer' | 'isByteFallback' | 'endText'>;
type FinishReason = NonNullable<NewTokens['finishReason']>;

export class SampledText {
  /** As vLLM counts them: up to the one that completes a stop text, or that ends the answer. */
  tokens: number[] = [];
  /** Set once the answer is complete, as its `text` is. */
  finishReason?: FinishReason;
  text = '';
  private readonly tokenizer: Tokenizer;
  private readonly prompt: number[];
  private readonly stop: string[];
  private readonly heldBack: string[];
  private taken = { text: '', tokens: 0 };

  constructor(tokenizer: Tokenizer, prompt: number[], stop: string[]) {
    this.tokenizer = tokenizer;
    this.prompt = prompt;
    this.stop = stop;
    this.heldBack = [...stop, tokenizer.endText].filter((text) => text !== '');
  }

  /** Adds tokens up to where the answer is complete. */
  add(tokens: number[], finishReason?: FinishReason): void {
    for (const token of tokens) {
      if (this.finishReason) return;
      this.tokens.push(token);
      this.cutAtStop();
    }
    if (finishReason && !this.finishReason) this.complete(this.decode(this.tokens), finishReason);
  }

  /** Forgets the tokens of an answer that is not complete: they are sampled again. */
  restart(): void {
    if (!this.finishReason) this.tokens = [];
  }

  /** The text and tokens since the last call, of the text only what later tokens do not change. */
  take(): { text: string; tokens: number[] } {
    const text = this.finishReason ? this.text : this.stableText();
    const { text: before, tokens } = this.taken;
    if (text.length > before.length) this.taken.text = text;
    this.taken.tokens = Math.max(tokens, this.tokens.length);
    return { text: text.slice(before.length), tokens: this.tokens.slice(tokens) };
  }

  private cutAtStop(): void {
    if (this.stop.length === 0) return;
    const text = this.decode(this.tokens);
    const found = this.stop.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) this.complete(text.slice(0, Math.min(...found)), 'stop');
  }

  private complete(text: string, finishReason: FinishReason): void {
    this.text = text;
    this.finishReason = finishReason;
  }

  private decode = (tokens: number[]) => this.tokenizer.decodeAnswer(this.prompt, tokens);

  /** Without an unfinished character at its end, and without what may be the beginning of a text that is cut off. */
  private stableText(): string {
    const last = this.tokens.findLastIndex((token) => !this.tokenizer.isByteFallback(token));
    const text = this.decode(this.tokens.slice(0, last + 1)).replace(/\ufffd+$/, '');
    const held = Math.max(0, ...this.heldBack.map((end) => beginningAtEnd(text, end)));
    return text.slice(0, text.length - held);
  }
}

/** How many characters at the end of `text` are the beginning of `end`, or all of it. */
function beginningAtEnd(text: string, end: string): number {
  let length = Math.min(text.length, end.length);
  while (!text.endsWith(end.slice(0, length))) length--;
  return length;
}
