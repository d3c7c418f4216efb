/** Demonstrations, for supervised fine-tuning, as tokens. */
import { asConversation } from '../../data/conversation.ts';
import { InputError } from '../../data/errors.ts';
import type { DemonstrationRecord, Message, Text } from '../../data/records.ts';
import { templateInputs } from '../../data/template-inputs.ts';
import type { LengthLimits } from '../protocol/settings.ts';
import type { ModelTokenizer } from '../tokenizer/tokenizer.ts';
import { checkTrainingLength } from './checks.ts';
import type { TextPolicy, TokenizedResponse } from './responses.ts';

/**
 * A demonstration as a prompt and one response, cut to length. The response begins with the first token that is trained on: in a row of
 * prompt and completion, the completion is trained on; in a conversation, every assistant turn (`trained`).
 * @returns also whether the prompt's tokens are a prefix of the tokens of prompt and completion, and whether something was cut
 * @throws InputError for a conversation that the chat template refuses or that has no assistant turn, and for a row that is longer than
 *   the model's context
 */
export function tokenizeDemonstration(
  { model, tokenizer }: TextPolicy,
  row: DemonstrationRecord,
  limits: LengthLimits,
): { tokens: TokenizedResponse; isPrefix: boolean; isTruncated: boolean } {
  const { prompt: fullPrompt, response: fullResponse, trained, isPrefix } = demonstrationTokens(tokenizer(), row);
  const prompt = truncatePrompt(fullPrompt, limits);
  const response = truncateResponse(fullResponse, prompt, limits);
  checkTrainingLength(model, prompt.length + response.length);
  return {
    tokens: { prompt, response, ...(trained && { trained: trained.slice(0, response.length) }) },
    isPrefix,
    isTruncated: prompt.length < fullPrompt.length || response.length < fullResponse.length,
  };
}

function demonstrationTokens(
  tokenizer: ModelTokenizer,
  row: DemonstrationRecord,
): TokenizedResponse & { isPrefix: boolean } {
  const inputs = templateInputs(row);
  if (!('messages' in row)) {
    const { prompt: promptText, completion } = row as { prompt: Text; completion: Text };
    const { prompt, responses, isPrefix } = tokenizer.encodeExchange(promptText, [completion], inputs);
    if (typeof completion === 'string' || completion.length === 1) return { prompt, response: responses[0], isPrefix };
    const conversation = [...asConversation(promptText, 'user'), ...completion];
    return { ...splitAtTrained(tokenizer.encodeConversation(conversation, inputs), prompt.length), isPrefix };
  }
  return { ...splitAtTrained(tokenizer.encodeConversation(row.messages as Message[], inputs), 0), isPrefix: true };
}

/** @param from index of the first token that may be trained on */
function splitAtTrained({ ids, trained }: ReturnType<ModelTokenizer['encodeConversation']>, from: number) {
  const first = trained.findIndex((isTrained, i) => isTrained && i >= from);
  // The first token of a sequence cannot be predicted: nothing comes before it.
  const start = Math.max(1, first);
  if (first < 0 || !trained.includes(true, start)) {
    throw new InputError(
      'it has no token of the assistant to train on: give a conversation with an assistant message.',
    );
  }
  return { prompt: ids.slice(0, start), response: ids.slice(start), trained: trained.slice(start) };
}

/** A prompt keeps its end, with the question. */
const truncatePrompt = (prompt: number[], { maxPromptLength }: LengthLimits) => prompt.slice(-maxPromptLength);

/** A response keeps its beginning, at least one token. */
const truncateResponse = (response: number[], prompt: number[], { maxLength }: LengthLimits) =>
  response.slice(0, Math.max(1, maxLength - prompt.length));
