/** Checks of token ids against a model, and the limits of lengths. */
import { InputError } from '../../data/errors.ts';
import { contextLength } from '../model-files/config.ts';
import type { ModelFolder } from '../model-files/model.ts';
import type { LengthLimits } from '../protocol/settings.ts';

/** What the checks need of a model. */
export type CheckedModel = Pick<ModelFolder, 'folder' | 'config'>;

/**
 * @returns the same ids
 * @throws InputError for an id that is not in the model's vocabulary
 */
export function checkIds({ folder, config: { vocabSize } }: CheckedModel, ids: number[]): number[] {
  const stray = ids.find((id) => id >= vocabSize);
  if (stray === undefined) return ids;
  throw new InputError(`token id ${stray} is outside the vocabulary of ${folder} (${vocabSize} tokens).`);
}

/** The limits of training with this model: `maxLength` is at most its context. */
export const limitsOf = (
  { config }: Pick<CheckedModel, 'config'>,
  { maxLength, maxPromptLength }: LengthLimits,
): LengthLimits => ({ maxLength: Math.min(maxLength, contextLength(config)), maxPromptLength });

/** @throws InputError when the two models of a divergence have different vocabularies */
export function checkSameVocabulary(model: CheckedModel, reference: CheckedModel): void {
  if (reference.config.vocabSize === model.config.vocabSize) return;
  throw new InputError(
    `${model.folder} has a vocabulary of ${model.config.vocabSize} tokens, ${reference.folder} one of ` +
      `${reference.config.vocabSize}: the KL divergence needs the same vocabulary; compare models with the same tokenizer.`,
  );
}
