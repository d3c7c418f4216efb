/** Responses to `POST /v1/chat/completions`. */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import type { ChatChunk, ChatRequest, ChatResponse } from '../schema/chat.ts';
import { now, sendStream } from './events.ts';
import { chatLogprobs, tokenNames } from './logprobs.ts';
import type { Models } from './models.ts';
import { responderOf, settingsOf } from './read-request.ts';
import type { ResponsePiece, ScoredTokens } from './responder.ts';
import { tokenIdsOf, usageOf } from './usage.ts';

/** Maximum tokens of a response if the request sets no limit. */
const DEFAULT_MAX_TOKENS = 512;

/**
 * The HTTP response to a chat request: JSON, or a stream of server-sent events.
 * @throws Refused or InputError for a wrong request
 */
export async function chatResponseTo(c: Context, models: Models, request: ChatRequest): Promise<Response> {
  const { model, n } = request;
  const responder = responderOf(models, request);
  const prompt = responder.encodeChat(request.messages);
  const maxTokens =
    request.max_completion_tokens ?? request.max_tokens ?? Math.min(DEFAULT_MAX_TOKENS, responder.room(prompt));
  const settings = { ...settingsOf(c, request), maxTokens, echo: false, scored: request.logprobs };
  const names = tokenNames(responder, request.return_tokens_as_token_ids);
  const logprobsOf = (tokens: ScoredTokens) =>
    request.logprobs ? chatLogprobs(tokens, request.top_logprobs, responder, names) : null;
  const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model };

  if (!request.stream) {
    const responses = await responder.respond([prompt], settings);
    const choices = responses.map((response, index) => ({
      index,
      message: { role: 'assistant', content: response.text, refusal: null },
      ...(request.return_token_ids && tokenIdsOf(response, prompt)),
      logprobs: logprobsOf(response),
      finish_reason: response.finishReason,
    }));
    return c.json<ChatResponse>({ ...head, object: 'chat.completion', choices, usage: usageOf(responses, n) });
  }

  const streamed = { ...head, object: 'chat.completion.chunk' as const };
  const begun = new Set<number>();
  /** The first chunk of a choice contains the role, the last one the finish reason, the others the text. */
  const chunksOf = (piece: ResponsePiece): ChatChunk[] => {
    const { index, text, tokens, finishReason } = piece;
    const isFirst = !begun.has(index);
    begun.add(index);
    const ids = request.return_token_ids && { token_ids: tokens };
    const none = { index, logprobs: null, finish_reason: null };
    const role = { ...none, delta: { role: 'assistant', content: '' }, ...(ids && { prompt_token_ids: prompt }) };
    const content = { ...none, delta: { content: text }, logprobs: logprobsOf(piece), ...ids };
    const end = { ...none, delta: {}, finish_reason: finishReason };
    const choices = [...(isFirst ? [role] : []), content, ...(finishReason ? [end] : [])];
    return choices.map((choice) => ({ ...streamed, choices: [choice] }));
  };
  const respond = responder.respond.bind(responder, [prompt], settings);
  return sendStream(c, request, respond, chunksOf, (usage): ChatChunk => ({ ...streamed, choices: [], usage }));
}
