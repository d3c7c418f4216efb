/** Checks a tokenizer's ids against the model's embedding. */
import { InputError } from '../../data/errors.ts';
import type { Tokenizer } from './exact-tokenizer.ts';

/**
 * Some tokenizers have tokens, mostly added ones, for which the embedding was never resized.
 * @param vocabSize number of rows of the embedding
 * @returns a function that returns its ids, or throws an InputError for an id without a row
 */
export function vocabularyCheck(folder: string, tokenizer: Tokenizer, vocabSize: number): (ids: number[]) => number[] {
  return (ids) => {
    const stray = ids.find((id) => id >= vocabSize);
    if (stray === undefined) return ids;
    const token = JSON.stringify(tokenizer.idToToken(stray) ?? '');
    throw new InputError(
      `the token ${token} of the tokenizer has the id ${stray}, but the embedding of ${folder} has only ${vocabSize} rows: ` +
        "use the model's own tokenizer, or resize the embedding (resize_token_embeddings).",
    );
  };
}
