/** Candidates as a reward model of the Llama family reads them: token ids of the rendered chat template. */
import { InputError, located } from '../../data/errors.ts';
import { contextLength, type ModelConfig } from '../model-files/config.ts';
import type { Answered, TooLong } from '../protocol/jobs.ts';
import type { TokenizerFiles } from '../tokenizer/tokenizer.ts';
import { fit, type Fitted } from './context.ts';
import { encodeExchange, type Exchange } from './exchange.ts';

/** What the tokens depend on. */
interface ClassifierFiles {
  folder: string;
  config: ModelConfig;
  tokenizer: TokenizerFiles;
}

/** The exchanges of all candidates, within the model's context. @throws InputError that names the prompt */
export const classifiedExchanges = (files: ClassifierFiles, rows: Answered[], tooLong: TooLong): Fitted[][] =>
  rows.map((row) =>
    located(`Prompt "${row.id}"`, () => {
      const encoded = (answer: string) => encode(files, row, answer);
      return row.answers.map((answer) => fit(encoded(answer), () => encoded(''), contextLength(files.config), tooLong));
    }),
  );

/** @throws InputError unless the model has one label */
export function checkOneLabel(folder: string, { labels }: ModelConfig): void {
  if (labels === 1) return;
  throw new InputError(
    `${folder} has ${labels} outputs (num_labels in config.json), but a reward model has one: use a reward model.`,
  );
}

/**
 * The tokens up to the one whose hidden state is scored, the last that is not the padding token. (Some models end a response with
 * that token, too: transformers skips it in the same way.) Later tokens do not influence it.
 */
function encode({ folder, config, tokenizer }: ClassifierFiles, { prompt }: Answered, answer: string): Exchange {
  const { ids, typeIds } = encodeExchange(tokenizer, prompt, answer);
  const end = ids.findLastIndex((id) => id !== config.padId);
  const read = end < 0 ? ids : ids.slice(0, end + 1);
  const stray = read.find((id) => id >= config.vocabSize);
  if (stray !== undefined) {
    throw new InputError(
      `token id ${stray} is outside the vocabulary of ${folder} (${config.vocabSize} tokens): ` +
        "use the model's own tokenizer.json.",
    );
  }
  return { ids: read, typeIds: typeIds.slice(0, read.length) };
}
