/** Responses to `POST /v1/completions`. */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import type { CompletionChunk, CompletionRequest, CompletionResponse } from '../schema/completions.ts';
import { completionLogprobs, tokenNames } from './logprobs.ts';
import type { Models } from './models.ts';
import { responderOf, settingsOf } from './read-request.ts';
import type { ResponsePiece, ScoredTokens } from './responder.ts';
import { now, sendStream } from './events.ts';
import { tokenIdsOf, usageOf } from './usage.ts';

/**
 * The HTTP response to a completion request: JSON, or a stream of server-sent events.
 * @throws Refused or InputError for a wrong request
 */
export async function completionResponseTo(c: Context, models: Models, request: CompletionRequest): Promise<Response> {
  const { echo, logprobs: count, n, model } = request;
  const responder = responderOf(models, request);
  const prompts = await responder.encodeTexts(promptsOf(request));
  const scored = typeof count === 'number';
  const settings = { ...settingsOf(c, request), maxTokens: request.max_tokens, echo, scored };
  const names = tokenNames(responder, request.return_tokens_as_token_ids);
  const logprobsOf = (tokens: ScoredTokens, start = 0) =>
    scored ? completionLogprobs(tokens, count, responder, names, start) : null;
  const promptOf = (index: number) => prompts[Math.floor(index / n)];
  const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion' as const, created: now(), model };

  if (!request.stream) {
    const responses = await responder.respond(prompts, settings);
    const choices = responses.map((response, index) => ({
      index,
      text: response.text,
      ...(request.return_token_ids && tokenIdsOf(response, promptOf(index))),
      logprobs: logprobsOf(response),
      finish_reason: response.finishReason,
    }));
    return c.json<CompletionResponse>({ ...head, choices, usage: usageOf(responses, n) });
  }

  const lengths: number[] = [];
  const chunkOf = (piece: ResponsePiece): CompletionChunk[] => {
    const { index, text, tokens, finishReason } = piece;
    const isFirst = lengths[index] === undefined;
    const ids = request.return_token_ids && {
      ...(isFirst && { prompt_token_ids: promptOf(index) }),
      token_ids: echo && isFirst ? [] : tokens,
    };
    const logprobs = logprobsOf(piece, lengths[index]);
    lengths[index] = (lengths[index] ?? 0) + text.length;
    return [{ ...head, choices: [{ index, text, ...ids, logprobs, finish_reason: finishReason ?? null }] }];
  };
  const respond = responder.respond.bind(responder, prompts, settings);
  return sendStream(c, request, respond, chunkOf, (usage): CompletionChunk => ({ ...head, choices: [], usage }));
}

/** The request's prompts as a list. Each is a text or a list of token ids. */
function promptsOf({ prompt }: CompletionRequest): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}
