/** The text of an answer as its tokens come, up to the first stop text. */
import type { NewTokens } from '../../engine/protocol/jobs.ts';
import { ResponseDecoder, withoutUnfinished, type ResponseTokenizer } from './response-decoder.ts';

type FinishReason = NonNullable<NewTokens['finishReason']>;

export class SampledText {
  /** As vLLM counts them: up to the one that completes a stop text, or that ends the answer. */
  tokens: number[] = [];
  /** Set once the answer is complete, as its `text` is. */
  finishReason?: FinishReason;
  text = '';
  private readonly tokenizer: ResponseTokenizer;
  private readonly prompt: number[];
  private readonly stop: string[];
  private readonly heldBack: string[];
  private readonly longestStop: number;
  private decoder: ResponseDecoder;
  private taken = { text: '', tokens: 0 };

  constructor(tokenizer: ResponseTokenizer, prompt: number[], stop: string[]) {
    this.tokenizer = tokenizer;
    this.prompt = prompt;
    this.stop = stop;
    this.heldBack = [...stop, tokenizer.endText].filter((text) => text !== '');
    this.longestStop = Math.max(0, ...stop.map(({ length }) => length));
    this.decoder = new ResponseDecoder(tokenizer, prompt);
  }

  /** Adds tokens up to where the answer is complete. */
  add(tokens: number[], finishReason?: FinishReason): void {
    for (const token of tokens) {
      if (this.finishReason) return;
      this.tokens.push(token);
      // The token that ends the answer is not in its text.
      if (!this.tokenizer.eosIds.includes(token)) this.decode(token);
    }
    if (finishReason && !this.finishReason) {
      const text = this.tokenizer.decodeAnswer(this.prompt, this.tokens);
      if (!this.cutAtStop(text, 0)) this.complete(text, finishReason);
    }
  }

  /** Forgets the tokens of an answer that is not complete: they are sampled again. */
  restart(): void {
    if (this.finishReason) return;
    this.tokens = [];
    this.decoder = new ResponseDecoder(this.tokenizer, this.prompt);
  }

  /** The text and tokens since the last call, of the text only what later tokens do not change. */
  take(): { text: string; tokens: number[] } {
    const text = this.finishReason ? this.text : this.textToTake();
    const { text: before, tokens } = this.taken;
    if (text.length > before.length) this.taken.text = text;
    this.taken.tokens = Math.max(tokens, this.tokens.length);
    return { text: text.slice(before.length), tokens: this.tokens.slice(tokens) };
  }

  private decode(token: number): void {
    const searched = this.decoder.settled.length;
    this.decoder.add(token);
    if (this.stop.length > 0) this.cutAtStop(withoutUnfinished(this.decoder.text), searched - this.longestStop);
  }

  /** @returns whether a stop text is in `text` from `start` on: the answer is complete then */
  private cutAtStop(text: string, start: number): boolean {
    const found = this.stop.map((stop) => text.indexOf(stop, start)).filter((at) => at >= 0);
    if (found.length === 0) return false;
    this.complete(text.slice(0, Math.min(...found)), 'stop');
    return true;
  }

  private complete(text: string, finishReason: FinishReason): void {
    this.text = text;
    this.finishReason = finishReason;
  }

  /** Without what may be the beginning of a text that is cut off. */
  private textToTake(): string {
    const text = this.decoder.stableText;
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
