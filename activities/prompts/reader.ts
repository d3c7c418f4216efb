/** Prompts as the policy reads them: rendered by its chat template and tokenized, one at a time. */
import { setImmediate } from 'node:timers/promises';
import { InputError, located } from '../../data/errors.ts';
import { normalizedText } from '../../data/conversation.ts';
import { hashKey } from '../../data/prompts.ts';
import { hasTools, toolsOf } from '../../data/tools.ts';
import type { PromptRecord, Text } from '../../data/records.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelTokenizer } from '../../engine/tokenizer/tokenizer.ts';

/** What a prompt comes to. */
export interface ReadPrompt {
  /** Where it stands, for messages. */
  place: string;
  length: number;
  /** Equal for prompts that are the same to the policy: by their tokens. */
  tokenKey: string;
  /** Equal for prompts that have the same tokens once their texts are normalized (normalizedText). */
  textKey: string;
  /** Whether it has tools, which the chat template does not write. */
  losesTools: boolean;
}

/** What is needed of the policy's tokenizer. */
export type PromptTokenizer = Pick<ModelTokenizer, 'encodePrompt' | 'writesTools'>;

const keyOf = (ids: number[]) => hashKey(Int32Array.from(ids));

export class PromptReader {
  private readonly tokenizer: PromptTokenizer;
  private readonly total: number;
  private readonly options: CallOptions;
  private done = 0;
  private tokens = 0;

  /** @param total prompts that will be read, for the progress */
  constructor(tokenizer: PromptTokenizer, total: number, options: CallOptions) {
    this.tokenizer = tokenizer;
    this.total = total;
    this.options = options;
  }

  /**
   * @param index of the prompt in its file, from 0
   * @throws InputError when the chat template refuses it
   */
  async read(prompt: PromptRecord, index: number, file: string): Promise<ReadPrompt> {
    const place = `Prompt ${index + 1} of ${file} ("${prompt.id}")`;
    const encode = (text: Text) => located(place, () => this.tokenizer.encodePrompt(text, toolsOf(prompt)));
    const ids = encode(prompt.prompt);
    if (ids.length === 0)
      throw new InputError(`${place} has no tokens: the model's tokenizer leaves nothing of it; remove it.`);
    this.done++;
    this.tokens += ids.length;
    this.options.onProgress?.({ done: this.done, total: this.total, unit: 'prompts', tokens: this.tokens });
    // Many take a while: the worker must get to its heartbeats.
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
      losesTools: hasTools(prompt) && !this.tokenizer.writesTools,
    };
  }
}
