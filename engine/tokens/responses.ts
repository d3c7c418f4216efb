/** Responses to be scored, as tokens. */
import { located } from '../../data/errors.ts';
import type { SampledScoreRecord, ScoreRecord, TokenizedScoreRecord } from '../../data/records.ts';
import { templateInputs } from '../../data/template-inputs.ts';
import { checkSequenceLength, contextLength } from '../model-files/config.ts';
import type { ModelTokenizer } from '../tokenizer/tokenizer.ts';
import { checkIds, type CheckedModel } from './checks.ts';

/** A prompt and a response to it, as token ids. */
export interface TokenizedResponse {
  prompt: number[];
  response: number[];
  /** For each token of the response, whether it counts. Default: all count. */
  trained?: boolean[];
}

/** What turning texts into tokens needs of a policy. */
export interface TextPolicy {
  model: CheckedModel;
  /** Opened by the first call: rows that are token ids need no tokenizer. */
  tokenizer(): ModelTokenizer;
}

type ScoreRow = ScoreRecord | TokenizedScoreRecord | SampledScoreRecord;

/**
 * `isPrefix`: whether the prompt's tokens are a prefix of the tokens of prompt and response (ModelTokenizer.encodeExchange).
 * `isCut`: set if the row was cut to the model's context.
 */
type EncodedResponse = TokenizedResponse & { isPrefix: boolean; isCut?: true };

/**
 * The tokens of a row.
 * @throws InputError for a text that the chat template refuses, a token id that the model does not have, and a row that is longer than
 *   the model's context
 */
function tokenizeResponse(policy: TextPolicy, row: ScoreRow): EncodedResponse {
  const encoded = encodeResponse(policy, row);
  checkSequenceLength(policy.model.config, encoded.prompt.length + encoded.response.length);
  return encoded;
}

/**
 * The tokens of rows.
 * @param other a second model whose context each row must fit too
 * @throws InputError like tokenizeResponse, with the number of the row
 */
export const tokenizeResponses = (policy: TextPolicy, rows: ScoreRow[], other?: CheckedModel): EncodedResponse[] =>
  rows.map((row, i) =>
    located(`Row ${i + 1}`, () => {
      const tokenized = tokenizeResponse(policy, row);
      if (other) checkSequenceLength(other.config, tokenized.prompt.length + tokenized.response.length);
      return tokenized;
    }),
  );

/** The tokens of rows, cut to the model's context as in training. @throws InputError like tokenizeResponses, but for no length */
export const tokenizeCut = (policy: TextPolicy, rows: ScoreRow[]): EncodedResponse[] =>
  rows.map((row, i) => {
    const { prompt: whole, response, isPrefix } = located(`Row ${i + 1}`, () => encodeResponse(policy, row));
    const most = contextLength(policy.model.config);
    if (whole.length + response.length <= most) return { prompt: whole, response, isPrefix };
    // A prompt keeps its end, a response its beginning.
    const prompt = whole.slice(-(most - 1));
    return { prompt, response: response.slice(0, most - prompt.length), isPrefix, isCut: true };
  });

/**
 * The tokens of a row, which may be longer than the model's context.
 * @param open whether the text of the response was cut, so that nothing ends it
 * @throws InputError like tokenizeResponse
 */
export function encodeResponse({ model, tokenizer }: TextPolicy, row: ScoreRow, open = false): EncodedResponse {
  if (isTokenized(row)) {
    const { prompt_input_ids: prompt, response_input_ids: response } = row;
    return { prompt: checkIds(model, prompt), response: checkIds(model, response), isPrefix: true };
  }
  const inputs = templateInputs(row);
  if (isSampled(row)) {
    const prompt = tokenizer().encodePrompt(row.prompt, inputs);
    return { prompt, response: checkIds(model, row.response_input_ids), isPrefix: true };
  }
  const { prompt, responses, isPrefix } = tokenizer().encodeExchange(row.prompt, [row.response], { ...inputs, open });
  return { prompt, response: responses[0], isPrefix };
}

// By the texts, as readScoreRows: a row of texts may have fields with token ids, which `selm sample` writes.
const isTokenized = (row: ScoreRow): row is TokenizedScoreRecord => !('prompt' in row);
const isSampled = (row: ScoreRecord | SampledScoreRecord): row is SampledScoreRecord => !('response' in row);
