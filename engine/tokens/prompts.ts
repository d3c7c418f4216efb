/** Prompts to be answered, as tokens. */
import { counted } from '../../data/counted.ts';
import { InputError, located } from '../../data/errors.ts';
import type { PromptRecord, TemplateFields } from '../../data/records.ts';
import { templateInputs } from '../../data/template-inputs.ts';
import { checkSequenceLength, contextLength, type ModelConfig } from '../model-files/config.ts';
import type { SamplingSettings } from '../protocol/settings.ts';
import type { ModelTokenizer } from '../tokenizer/tokenizer.ts';

type Limits = Pick<SamplingSettings, 'maxPromptLength' | 'maxNewTokens'>;

/**
 * The tokens of a prompt, rendered by the chat template.
 * @throws InputError that names the prompt if the template refuses it, or if it is too long (checkPromptLength)
 */
export function tokenizePrompt(
  { id, prompt, ...fields }: Pick<PromptRecord, 'id' | 'prompt' | keyof TemplateFields>,
  tokenizer: Pick<ModelTokenizer, 'encodePrompt'>,
  config: ModelConfig,
  limits: Limits,
): number[] {
  const tokens = located(`Prompt "${id}"`, () => tokenizer.encodePrompt(prompt, templateInputs(fields)));
  checkPromptLength(id, tokens.length, config, limits);
  return tokens;
}

/**
 * @param length of the prompt in tokens
 * @throws InputError that names the prompt if it has more than `maxPromptLength` tokens, or if the model's context has no room for
 *   `maxNewTokens` after it
 */
export function checkPromptLength(
  id: string,
  length: number,
  config: ModelConfig,
  { maxPromptLength, maxNewTokens }: Limits,
): void {
  if (maxPromptLength !== undefined && length > maxPromptLength) {
    throw new InputError(`Prompt "${id}" has ${length} tokens, more than the ${maxPromptLength} of maxPromptLength.`);
  }
  const room = contextLength(config) - length;
  const fewer = `generate at most ${counted(room, 'new token')} (maxNewTokens, --max-new-tokens), or `;
  const remedy = `${room > 0 ? fewer : ''}shorten the prompt`;
  located(`Prompt "${id}"`, () => checkSequenceLength(config, length + maxNewTokens, remedy));
}
