/** The longest prompt of a run: the smallest limit of its settings and its model. */
import { InputError } from '../../data/errors.ts';
import type { ModelConfig } from '../../engine/model-files/config.ts';
import type { SamplingSettings, TrainingSettings } from '../../engine/protocol/settings.ts';

/** The settings that limit a prompt's length. */
export interface LengthSettings {
  sample: Pick<SamplingSettings, 'maxPromptLength' | 'maxNewTokens'>;
  optimize: Pick<TrainingSettings, 'maxPromptLength' | 'maxLength'>;
  evaluate: Pick<SamplingSettings, 'maxNewTokens'>;
}

/** Selects the length settings from a run's settings. */
export const lengthSettings = ({ sample, optimize, evaluate }: LengthSettings): LengthSettings => ({
  sample: { maxPromptLength: sample.maxPromptLength, maxNewTokens: sample.maxNewTokens },
  optimize: { maxPromptLength: optimize.maxPromptLength, maxLength: optimize.maxLength },
  evaluate: { maxNewTokens: evaluate.maxNewTokens },
});

interface PromptLimit {
  /** The longest permitted prompt, in tokens. */
  tokens: number;
  /** The source of the limit, worded to follow 'more than the 512 …'. */
  from: string;
}

/** The limit of training prompts: prompt and response fit into the model's context, and training truncates no prompt. */
export const trainingLimit = (config: ModelConfig, { sample, optimize }: LengthSettings): PromptLimit =>
  smallest([
    ...(sample.maxPromptLength === undefined
      ? []
      : [{ tokens: sample.maxPromptLength, from: 'of sample.maxPromptLength' }]),
    { tokens: optimize.maxPromptLength, from: 'of optimize.maxPromptLength' },
    { tokens: optimize.maxLength - 1, from: `that optimize.maxLength (${optimize.maxLength}) leaves for a prompt` },
    ...contextLimits(config, 'sample', sample.maxNewTokens),
  ]);

/** The limit of held-out prompts. */
export const heldOutLimit = (config: ModelConfig, { evaluate }: LengthSettings): PromptLimit =>
  smallest(contextLimits(config, 'evaluate', evaluate.maxNewTokens));

/** The limit of a benchmark's prompts. */
export const benchmarkLimit = (config: ModelConfig, name: string, maxNewTokens: number): PromptLimit =>
  smallest(contextLimits(config, name, maxNewTokens));

/** The tokens of the model's context that remain for the prompt beside a response of maximum length (see checkSequenceLength). */
function contextLimits({ maxPositions, slidingWindow }: ModelConfig, step: string, newTokens: number): PromptLimit[] {
  const beside = (positions: number, what: string) => ({
    tokens: Math.max(0, positions - newTokens),
    from: `that ${step}.maxNewTokens (${newTokens}) leaves of the model's ${what}`,
  });
  return [
    beside(maxPositions, `${maxPositions} positions`),
    ...(slidingWindow === undefined ? [] : [beside(slidingWindow, `sliding window of ${slidingWindow}`)]),
  ];
}

const smallest = (limits: PromptLimit[]) =>
  limits.reduce((least, limit) => (limit.tokens < least.tokens ? limit : least));

/** Counts a file's prompts that are too long. */
export class LengthCheck {
  readonly limit: number;
  /** Why a prompt is too long: 'more than the 512 of optimize.maxPromptLength'. */
  readonly reason: string;
  count = 0;
  private first: string | undefined;
  private shortest = Infinity;

  constructor({ tokens, from }: PromptLimit) {
    this.limit = tokens;
    this.reason = `more than the ${tokens} ${from}`;
  }

  /** Counts a prompt that is too long. @returns whether it is */
  refuses(length: number, place: string): boolean {
    if (length <= this.limit) return false;
    this.count++;
    this.shortest = Math.min(this.shortest, length);
    this.first ??= `${place} has ${length} tokens`;
    return true;
  }

  /** The first prompt that is too long, with the reason, as the beginning of a sentence. Undefined if there is none. */
  get found(): string | undefined {
    if (this.count === 0) return undefined;
    const others = this.count === 1 ? 'it is the only one' : `${this.count} prompts are too long`;
    return `${this.first}, ${this.reason} (${others})`;
  }

  /**
   * Ends the count.
   * @param file the file, for the error message
   * @param left how many of its prompts are within the limit
   * @throws InputError when a prompt is too long and `tooLong` is 'fail', or when all prompts are too long
   */
  end(tooLong: 'drop' | 'fail', file: string, left: number): void {
    if (this.count === 0) return;
    if (tooLong === 'fail') {
      throw new InputError(
        `${this.found}: remove what is too long, change that setting, or set prompts.tooLong: drop.`,
      );
    }
    if (left > 0) return;
    throw new InputError(
      `All prompts of ${file} are too long: the shortest has ${this.shortest} tokens, ${this.reason}; ` +
        'shorten them, or change that setting.',
    );
  }
}
