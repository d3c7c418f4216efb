/** Rows of text to rows of tokens, checked and cut to length. */
import { InputError } from '../data/errors.ts';
import type {
  DemonstrationRecord,
  PromptRecord,
  SampledScoreRecord,
  ScoreRecord,
  TokenizedScoreRecord,
} from '../data/records.ts';
import { checkSequenceLength, type ModelConfig } from './model/config.ts';
import type { ModelTokenizer } from './model/tokenizer.ts';
import type { Group } from './packing.ts';
import type { OpenPolicy } from './policy.ts';
import type { TokenizedResponse } from './score.ts';
import type { SamplingSettings, TrainingSettings } from './settings.ts';

/**
 * The tokens of a prompt that is to be answered.
 * @throws InputError that names the prompt, when it is too long
 */
export function tokenizePrompt(
  { id, prompt }: Pick<PromptRecord, 'id' | 'prompt'>,
  tokenizer: Pick<ModelTokenizer, 'encodePrompt'>,
  config: ModelConfig,
  settings: Pick<SamplingSettings, 'maxPromptLength' | 'maxNewTokens'>,
): number[] {
  const tokens = located(`Prompt "${id}"`, () => tokenizer.encodePrompt(prompt));
  checkPromptLength(id, tokens.length, config, settings);
  return tokens;
}

/** @throws InputError that names the prompt, when it is too long */
export function checkPromptLength(
  id: string,
  length: number,
  config: ModelConfig,
  { maxPromptLength, maxNewTokens }: Pick<SamplingSettings, 'maxPromptLength' | 'maxNewTokens'>,
): void {
  if (maxPromptLength !== undefined && length > maxPromptLength) {
    throw new InputError(`Prompt "${id}" has ${length} tokens, more than the ${maxPromptLength} of maxPromptLength.`);
  }
  located(`Prompt "${id}"`, () => checkSequenceLength(config, length + maxNewTokens));
}

type Limits = Pick<TrainingSettings, 'maxLength' | 'maxPromptLength'>;

/** Runs `action`; an input error of it says which place it is about. */
export function located<T>(place: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${place}: ${error.message}`);
    throw error;
  }
}

/** @throws InputError for an id that the model does not have */
export function checkIds({ model }: OpenPolicy, ids: number[]): number[] {
  const { vocabSize } = model.config;
  const stray = ids.find((id) => id >= vocabSize);
  if (stray === undefined) return ids;
  throw new InputError(`token id ${stray} is outside the vocabulary of ${model.folder} (${vocabSize} tokens).`);
}

export function tokenizeResponse(
  policy: OpenPolicy,
  row: ScoreRecord | TokenizedScoreRecord | SampledScoreRecord,
): TokenizedResponse {
  const prompt = isTokenized(row)
    ? checkIds(policy, row.prompt_input_ids)
    : policy.tokenizer().encodePrompt(row.prompt);
  const response = hasResponseIds(row)
    ? checkIds(policy, row.response_input_ids)
    : policy.tokenizer().encodeResponse(row.prompt, row.response);
  checkSequenceLength(policy.model.config, prompt.length + response.length);
  return { prompt, response };
}

type ScoreRow = Parameters<typeof tokenizeResponse>[1];
const isTokenized = (row: ScoreRow): row is TokenizedScoreRecord => 'prompt_input_ids' in row;
const hasResponseIds = (row: ScoreRow): row is TokenizedScoreRecord | SampledScoreRecord => 'response_input_ids' in row;

export function tokenizeDemonstration(policy: OpenPolicy, row: DemonstrationRecord, limits: Limits): Group {
  const encoded = policy.tokenizer().encodeDemonstration(row);
  const prompt = truncatePrompt(encoded.prompt, limits);
  return { prompt, responses: [truncateResponse(encoded.completion, prompt, limits)] };
}

/** A prompt keeps its end, where the question stands. */
const truncatePrompt = (prompt: number[], { maxPromptLength }: Limits) => prompt.slice(-maxPromptLength);

/** A response keeps its beginning, one token at least. */
const truncateResponse = (response: number[], prompt: number[], { maxLength }: Limits) =>
  response.slice(0, Math.max(1, maxLength - prompt.length));
