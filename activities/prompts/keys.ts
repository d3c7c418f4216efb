/** Which prompts are the same. */
import type { ReadPrompt } from './reader.ts';

/** Prompts by their tokens and by their texts. */
export class PromptKeys {
  /** The places of the prompts, in their order. */
  readonly places: string[] = [];
  readonly tokens = new Map<string, string>();
  private readonly texts = new Map<string, string>();

  add({ tokenKey, textKey, place }: ReadPrompt): void {
    this.places.push(place);
    if (!this.tokens.has(tokenKey)) this.tokens.set(tokenKey, place);
    if (!this.texts.has(textKey)) this.texts.set(textKey, place);
  }

  /** The place of the first prompt that equals this one, in its tokens or after normalization. */
  find({ tokenKey, textKey }: ReadPrompt): string | undefined {
    return this.tokens.get(tokenKey) ?? this.texts.get(textKey);
  }

  has(read: ReadPrompt): boolean {
    return this.find(read) !== undefined;
  }
}

/** The prompts of a benchmark. */
export interface BenchmarkPrompts {
  name: string;
  keys: PromptKeys;
}
