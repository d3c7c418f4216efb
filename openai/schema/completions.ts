/** `POST /v1/completions`. */
import { z } from 'zod';
import { completionLogprobs, MOST_TOP_LOGPROBS } from './logprobs.ts';
import { flag, promptInput, sharedFields, unsupported, withDefault } from './request.ts';
import { choiceTokens, usage } from './tokens.ts';
import { completionParameters } from './unsupported.ts';

/** The body of a completion request. */
export const completionRequest = z
  .strictObject({
    ...sharedFields,
    ...completionParameters,
    prompt: promptInput,
    max_tokens: withDefault(z.int().min(0), 16),
    logprobs: z.int().min(0).max(MOST_TOP_LOGPROBS).nullish(),
    echo: flag,
    best_of: z.int().nullish(),
  })
  .refine(
    ({ best_of, n }) => best_of == null || best_of === n,
    unsupported('best_of', 'supports no value but that of n.'),
  );
/** A parsed request, with defaults. */
export type CompletionRequest = z.output<typeof completionRequest>;
/** A request as the client sends it. */
export type CompletionBody = z.input<typeof completionRequest>;

export const completionChoice = z.object({
  index: z.int(),
  text: z.string(),
  ...choiceTokens,
  logprobs: completionLogprobs.nullish(),
  finish_reason: z.string().nullish(),
});

export const completionResponse = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(completionChoice),
  usage,
});
export type CompletionResponse = z.input<typeof completionResponse>;

/** An event of a stream: the new tokens of a choice, or the usage at the end. */
export const completionChunk = completionResponse.extend({ usage: usage.nullish() });
export type CompletionChunk = z.input<typeof completionChunk>;
