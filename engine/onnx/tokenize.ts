/** Rows of text to rows of tokens, checked and cut to length. */
import { InputError } from '../../data/errors.ts';
import { asConversation } from '../../data/conversation.ts';
import { toolsOf } from '../../data/tools.ts';
import type {
  DemonstrationRecord,
  Message,
  PromptRecord,
  SampledScoreRecord,
  ScoreRecord,
  Text,
  TokenizedScoreRecord,
} from '../../data/records.ts';
import { checkSequenceLength, contextLength, type ModelConfig } from '../model-files/config.ts';
import type { ModelTokenizer } from '../tokenizer/tokenizer.ts';
import type { Group } from './packing.ts';
import type { OpenPolicy } from './policy.ts';
import type { TokenizedResponse } from './score.ts';
import type { SamplingSettings, TrainingSettings } from '../protocol/settings.ts';

/**
 * The tokens of a prompt that is to be answered.
 * @throws InputError that names the prompt, when it is too long
 */
export function tokenizePrompt(
  { id, prompt, tools }: Pick<PromptRecord, 'id' | 'prompt' | 'tools'>,
  tokenizer: Pick<ModelTokenizer, 'encodePrompt'>,
  config: ModelConfig,
  settings: Pick<SamplingSettings, 'maxPromptLength' | 'maxNewTokens'>,
): number[] {
  const tokens = located(`Prompt "${id}"`, () => tokenizer.encodePrompt(prompt, toolsOf({ tools })));
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

/** @throws InputError when a row, cut to `maxLength`, is more than the model can take */
export function checkTrainingLength({ model: { config } }: OpenPolicy, length: number): void {
  const most = contextLength(config);
  if (length <= most) return;
  throw new InputError(
    `it has ${length} tokens, more than the ${most} that the model can take: lower maxLength to at most ${most}.`,
  );
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

type ScoreRow = ScoreRecord | TokenizedScoreRecord | SampledScoreRecord;

/** Prompt and response of a row, and whether the prompt by itself has these tokens. */
export function tokenizeResponse(policy: OpenPolicy, row: ScoreRow): TokenizedResponse & { isPrefix: boolean } {
  const tokenized = encodeResponse(policy, row);
  checkSequenceLength(policy.model.config, tokenized.prompt.length + tokenized.response.length);
  return tokenized;
}

/** The same of a row that may be longer than the model reads. */
export function encodeResponse(policy: OpenPolicy, row: ScoreRow): ReturnType<typeof tokenizeResponse> {
  if (isTokenized(row)) {
    const { prompt_input_ids: prompt, response_input_ids: response } = row;
    return { prompt: checkIds(policy, prompt), response: checkIds(policy, response), isPrefix: true };
  }
  const [tokenizer, tools] = [policy.tokenizer(), toolsOf(row)];
  if (isSampled(row)) {
    const response = checkIds(policy, row.response_input_ids);
    return { prompt: tokenizer.encodePrompt(row.prompt, tools), response, isPrefix: true };
  }
  const { prompt, responses, isPrefix } = tokenizer.encodeExchange(row.prompt, [row.response], { tools });
  return { prompt, response: responses[0], isPrefix };
}

const isTokenized = (row: ScoreRow): row is TokenizedScoreRecord => 'prompt_input_ids' in row;
const isSampled = (row: ScoreRecord | SampledScoreRecord): row is SampledScoreRecord => 'response_input_ids' in row;

/**
 * A demonstration as a prompt with one response: from the first token of the assistant that is trained on, which of those after
 * it are. In a row of prompt and completion the completion is trained on, in a conversation every assistant turn.
 */
export function tokenizeDemonstration(
  policy: OpenPolicy,
  row: DemonstrationRecord,
  limits: Limits,
): { group: Group; isPrefix: boolean; isTruncated: boolean } {
  const { whole, response, trained, isPrefix } = demonstrationTokens(policy.tokenizer(), row);
  const prompt = truncatePrompt(whole, limits);
  const cut = truncateResponse(response, prompt, limits);
  checkTrainingLength(policy, prompt.length + cut.length);
  const group = { prompt, responses: [cut], ...(trained && { trained: [trained.slice(0, cut.length)] }) };
  return { group, isPrefix, isTruncated: prompt.length < whole.length || cut.length < response.length };
}

function demonstrationTokens(
  tokenizer: ModelTokenizer,
  row: DemonstrationRecord,
): { whole: number[]; response: number[]; trained?: boolean[]; isPrefix: boolean } {
  const tools = toolsOf(row);
  if (!('messages' in row)) {
    const { prompt, completion } = row as { prompt: Text; completion: Text };
    const { prompt: whole, responses, isPrefix } = tokenizer.encodeExchange(prompt, [completion], { tools });
    if (typeof completion === 'string' || completion.length === 1) return { whole, response: responses[0], isPrefix };
    const asked = asConversation(prompt, 'user');
    return {
      ...fromFirstTrained(tokenizer.encodeConversation([...asked, ...completion], tools), whole.length),
      isPrefix,
    };
  }
  return { ...fromFirstTrained(tokenizer.encodeConversation(row.messages as Message[], tools), 0), isPrefix: true };
}

/** @param from where training may begin */
function fromFirstTrained({ ids, trained }: ReturnType<ModelTokenizer['encodeConversation']>, from: number) {
  const first = trained.findIndex((isTrained, i) => isTrained && i >= from);
  // What comes first in the text has nothing before it: no token can be predicted from nothing.
  const start = Math.max(1, first);
  if (first < 0 || !trained.includes(true, start)) {
    throw new InputError(
      'it has no token of the assistant to train on: give a conversation with an assistant message.',
    );
  }
  return { whole: ids.slice(0, start), response: ids.slice(start), trained: trained.slice(start) };
}

/** A prompt keeps its end, where the question stands. */
const truncatePrompt = (prompt: number[], { maxPromptLength }: Limits) => prompt.slice(-maxPromptLength);

/** A response keeps its beginning, one token at least. */
const truncateResponse = (response: number[], prompt: number[], { maxLength }: Limits) =>
  response.slice(0, Math.max(1, maxLength - prompt.length));
