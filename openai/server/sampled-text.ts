/** The text of a response during sampling, up to the first stop text. */
import type { NewTokens } from '../../engine/protocol/jobs.ts';
import { ResponseDecoder, withoutUnfinished, type ResponseTokenizer } from './response-decoder.ts';

type FinishReason = NonNullable<NewTokens['finishReason']>;

/** Collects the tokens and the text of one response, and detects stop texts. */
export class SampledText {
  /** All tokens up to the one that completes a stop text or ends the response, as in vLLM. */
  tokens: number[] = [];
  /** Set together with `text` when the response is complete. */
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

  /** Adds tokens. Tokens after the end of the response are ignored. */
  add(tokens: number[], finishReason?: FinishReason): void {
    for (const token of tokens) {
      if (this.finishReason) return;
      this.tokens.push(token);
      // The end-of-turn token is not part of the text.
      if (!this.tokenizer.eosIds.includes(token)) this.decode(token);
    }
    if (finishReason && !this.finishReason) {
      const text = this.tokenizer.decodeAnswer(this.prompt, this.tokens);
      if (!this.cutAtStop(text, 0)) this.complete(text, finishReason);
    }
  }

  /** Discards the tokens of an incomplete response, because they are sampled again. */
  restart(): void {
    if (this.finishReason) return;
    this.tokens = [];
    this.decoder = new ResponseDecoder(this.tokenizer, this.prompt);
  }

  /** The new text and tokens since the last call. The text excludes the end that later tokens may change. */
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

  /** Completes the response at the first stop text in `text`, searched from `start`. @returns whether a stop text was found */
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

  /** The stable text, without an end that may be the first part of a stop text. */
  private textToTake(): string {
    const text = this.decoder.stableText;
    const held = Math.max(0, ...this.heldBack.map((end) => beginningAtEnd(text, end)));
    return text.slice(0, text.length - held);
  }
}

/** The length of the longest suffix of `text` that is a prefix of `end`. */
function beginningAtEnd(text: string, end: string): number {
  let length = Math.min(text.length, end.length);
  while (!text.endsWith(end.slice(0, length))) length--;
  return length;
}
