/** Renders prompts with the policy's chat template and tokenizes them, one at a time. */
import { setImmediate } from 'node:timers/promises';
import { InputError, located } from '../../data/errors.ts';
import { normalizedText } from '../../data/conversation.ts';
import { hashKey } from '../../data/prompts.ts';
import type { PromptRecord, Text } from '../../data/records.ts';
import { templateInputs } from '../../data/template-inputs.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import type { Ignored } from '../../engine/tokenizer/unwritten.ts';

/** A prompt after rendering and tokenization. */
export interface ReadPrompt {
  /** The prompt's number and file, for messages. */
  place: string;
  /** Number of tokens. */
  length: number;
  /** Equal for prompts with the same tokens. */
  tokenKey: string;
  /** Equal for prompts with the same tokens after normalization of their texts (normalizedText). */
  textKey: string;
  /** What the chat template ignores of it, and of the data set's responses to it. */
  ignored: Ignored[];
}

/** The part of the policy's tokenizer that PromptReader uses. */
export type PromptTokenizer = Pick<ModelTokenizer, 'encodePrompt' | 'ignored'>;

/** The data set's responses, which the labeler may compare with those of the policy. */
const answersOf = ({ chosen, rejected }: PromptRecord): Text[] =>
  [chosen, rejected].filter((answer) => answer !== undefined);

const keyOf = (ids: number[]) => hashKey(Int32Array.from(ids));

/** Renders and tokenizes prompts one at a time, and reports progress. */
export class PromptReader {
  private readonly tokenizer: PromptTokenizer;
  private readonly total: number;
  private readonly options: CallOptions;
  private done = 0;
  private tokens = 0;

  /** @param total the number of prompts that will be read, for the progress */
  constructor(tokenizer: PromptTokenizer, total: number, options: CallOptions) {
    this.tokenizer = tokenizer;
    this.total = total;
    this.options = options;
  }

  /**
   * Renders and tokenizes a prompt.
   * @param index of the prompt in its file, from 0
   * @throws InputError when the chat template rejects it or leaves out a whole response, or it has no tokens
   */
  async read(prompt: PromptRecord, index: number, file: string): Promise<ReadPrompt> {
    const place = `Prompt ${index + 1} of ${file} ("${prompt.id}")`;
    const encode = (text: Text) => located(place, () => this.tokenizer.encodePrompt(text, templateInputs(prompt)));
    const ids = encode(prompt.prompt);
    if (ids.length === 0) throw new InputError(`${place} has no tokens after tokenization: remove it.`);
    this.done++;
    this.tokens += ids.length;
    this.options.onProgress?.({ done: this.done, total: this.total, unit: 'prompts', tokens: this.tokens });
    // Yields to the event loop, so that the worker can send heartbeats while it reads many prompts.
    await setImmediate();
    this.options.signal?.throwIfAborted();
    const tokenKey = keyOf(ids);
    const text = normalizedText(prompt.prompt);
    const textKey = text === prompt.prompt ? tokenKey : keyOf(encode(text));
    return {
      place,
      length: ids.length,
      tokenKey,
      textKey,
      ignored: located(place, () => this.tokenizer.ignored(prompt.prompt, answersOf(prompt), templateInputs(prompt))),
    };
  }
}
