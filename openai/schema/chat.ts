/** `POST /v1/chat/completions`. */
import { z } from 'zod';
import { messageSchema, type Message } from '../../data/records.ts';
import { chatLogprobs, MOST_TOP_LOGPROBS } from './logprobs.ts';
import { flag, sharedFields, unsupported, withDefault } from './request.ts';
import { choiceTokens, usage } from './tokens.ts';
import { chatParameters } from './unsupported.ts';

/** Maximum number of messages and message parts in a request. */
const MOST_PARTS = 10_000;
const hasFewParts = (messages: unknown) =>
  !Array.isArray(messages) ||
  messages.reduce<number>(
    (sum, message: { content?: unknown } | null) =>
      sum + 1 + (Array.isArray(message?.content) ? message.content.length : 0),
    0,
  ) <= MOST_PARTS;

const canContinue = ({ role, tool_calls: calls }: Message) =>
  role === 'assistant' && !(Array.isArray(calls) && calls.length > 0);

/** The body of a chat request. */
export const chatRequest = z
  .strictObject({
    ...sharedFields,
    ...chatParameters,
    messages: z
      .unknown()
      .refine(hasFewParts, `expected at most ${MOST_PARTS} messages and parts of messages`)
      .pipe(z.array(messageSchema).min(1)),
    /** A vLLM parameter, which vLLM's clients set. The policy always continues a final assistant message without tool calls. */
    continue_final_message: flag,
    add_generation_prompt: z.boolean().nullish(),
    max_tokens: z.int().min(1).nullish(),
    max_completion_tokens: z.int().min(1).nullish(),
    logprobs: flag,
    top_logprobs: withDefault(z.int().min(0).max(MOST_TOP_LOGPROBS), 0),
  })
  .refine(
    ({ max_tokens: old, max_completion_tokens: limit }) => old == null || limit == null || old === limit,
    unsupported('max_tokens', 'does not support another value than max_completion_tokens; set one of them.'),
  )
  .refine(
    ({ continue_final_message: continues, messages }) => !continues || canContinue(messages.at(-1)!),
    unsupported(
      'continue_final_message',
      'is not supported if the last message is not of the assistant, or has tool calls.',
    ),
  )
  .refine(
    ({ continue_final_message: continues, add_generation_prompt: begins }) => begins == null || begins !== continues,
    unsupported(
      'add_generation_prompt',
      'does not support the value of continue_final_message: one is true, the other false.',
    ),
  )
  .refine(
    ({ logprobs, top_logprobs }) => logprobs || top_logprobs === 0,
    unsupported('top_logprobs', 'is not supported without logprobs: true.'),
  );
/** A parsed request, with defaults. */
export type ChatRequest = z.output<typeof chatRequest>;
/** A request as the client sends it. */
export type ChatBody = z.input<typeof chatRequest>;

export const chatMessage = z.object({
  role: z.string(),
  /** A text or a list of parts. Parts of other types than text are thoughts, refusals or tool calls. */
  content: z
    .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().nullish().catch(undefined) }))])
    .nullish(),
  refusal: z.string().nullish(),
});

const choice = {
  index: z.int(),
  logprobs: chatLogprobs.nullish(),
  ...choiceTokens,
  finish_reason: z.string().nullish(),
};

export const chatChoice = z.object({ ...choice, message: chatMessage });

const head = { id: z.string(), created: z.int(), model: z.string() };

export const chatResponse = z.object({
  ...head,
  object: z.literal('chat.completion'),
  choices: z.array(chatChoice),
  usage,
});
export type ChatResponse = z.input<typeof chatResponse>;

/** An event of a stream: the new tokens of a choice, or the usage at the end. */
export const chatChunk = z.object({
  ...head,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.object({ ...choice, delta: z.object({ role: z.string().optional(), content: z.string().optional() }) }),
  ),
  usage: usage.nullish(),
});
export type ChatChunk = z.input<typeof chatChunk>;
