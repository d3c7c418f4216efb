/** Demonstrations, for supervised fine-tuning, as tokens. */
import { InputError } from '../../data/errors.ts';
import type { DemonstrationRecord, Message, Text } from '../../data/records.ts';
import { templateInputs } from '../../data/template-inputs.ts';
import type { LengthLimits } from '../protocol/settings.ts';
import type { ModelTokenizer } from '../tokenizer/tokenizer.ts';
import { limitsOf } from './checks.ts';
import type { TextPolicy, TokenizedResponse } from './responses.ts';

/** A demonstration as tokens, cut to length. */
interface TokenizedDemonstration {
  tokens: TokenizedResponse;
  isTruncated: boolean;
}

/**
 * A demonstration as a prompt and one response, cut to length. The response begins with the first token that is trained on: in a row of
 * prompt and completion, the completion is trained on; in a conversation, every assistant turn (`trained`).
 * @returns whether the prompt's tokens are a prefix of the tokens of prompt and completion, and the tokens; no tokens if the prompt
 *   alone fills `maxLength` or the model's context, so that nothing is left to train on
 * @throws InputError for a conversation that the chat template refuses or that has no assistant turn
 */
export function tokenizeDemonstration(
  { model, tokenizer }: TextPolicy,
  row: DemonstrationRecord,
  limits: LengthLimits,
): { isPrefix: boolean } & Partial<TokenizedDemonstration> {
  const { isPrefix, ...full } = demonstrationTokens(tokenizer(), row);
  const { maxLength, maxPromptLength } = limitsOf(model, limits);
  // A prompt keeps its end, with the question; a response its beginning.
  const prompt = full.prompt.slice(-maxPromptLength);
  const room = Math.max(0, maxLength - prompt.length);
  const response = full.response.slice(0, room);
  const trained = full.trained?.slice(0, room);
  if (response.length === 0 || trained?.includes(true) === false) return { isPrefix };
  return {
    isPrefix,
    tokens: { prompt, response, ...(trained && { trained }) },
    isTruncated: prompt.length < full.prompt.length || response.length < full.response.length,
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
    const whole = tokenizer.encodeConversation(completion, { ...inputs, after: promptText });
    return { ...splitAtTrained(whole, prompt.length), isPrefix };
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
