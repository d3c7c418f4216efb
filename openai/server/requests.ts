/** What clients of the OpenAI API send. What would change the answer and is not honoured, or is not known, is refused. */
import { z } from 'zod';
import { messageSchema } from '../../data/records.ts';
import {
  chatParameters,
  completionParameters,
  loadParameters,
  sharedParameters,
  unloadParameters,
  UNSUPPORTED,
} from './parameters.ts';
import { Refused } from './refused.ts';
import { MOST_LIKELY } from '../../engine/protocol/jobs.ts';

const isTokenId = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isListOf = (value: unknown, isItem: (item: unknown) => boolean) => Array.isArray(value) && value.every(isItem);
const isNonEmptyList = (value: unknown, isItem: (item: unknown) => boolean) =>
  isListOf(value, isItem) && (value as unknown[]).length > 0;
const isNonEmptyText = (value: unknown) => typeof value === 'string' && value !== '';
const isTokenIds = (value: unknown) => isNonEmptyList(value, isTokenId);

// Long lists end at their first fault here: an array of zod's collects them all, which took seconds and gigabytes.
const tokenIdList = z.custom<number[]>((value) => isListOf(value, isTokenId), {
  error: 'expected a list of token ids',
});
const promptInput = z.custom<string | string[] | number[] | number[][]>(
  (value) =>
    isNonEmptyText(value) || [isNonEmptyText, isTokenId, isTokenIds].some((isItem) => isNonEmptyList(value, isItem)),
  { error: ({ input }) => describePrompt(input) },
);

/** What is wrong with a prompt; of a list, with its first item that is not valid, or not of the kind of the items before it. */
function describePrompt(prompt: unknown): string {
  const expected = 'expected a text, token ids, or a list of either';
  if (prompt === '' || (Array.isArray(prompt) && prompt.length === 0)) return `it is empty; ${expected}`;
  if (!Array.isArray(prompt)) return expected;
  const kinds = [isNonEmptyText, isTokenId, isTokenIds];
  const kind = kinds.find((isItem) => isItem(prompt[0])) ?? (() => false);
  const index = prompt.findIndex((item) => !kind(item));
  const item: unknown = prompt[index];
  if (item === '' || (Array.isArray(item) && item.length === 0)) return `prompt[${index}] is empty`;
  const isMixed = index > 0 && kinds.some((isItem) => isItem(item));
  return `prompt[${index}] is ${isMixed ? 'of another kind than prompt[0]' : 'neither a text nor token ids'}; ${expected}`;
}

/** Each is looked for after each token. */
const MOST_STOPS = 64;
const LONGEST_STOP = 1024;
const isStop = (value: unknown) => typeof value === 'string' && value.length <= LONGEST_STOP;
const stopTexts = z.custom<string | string[]>(
  (value) => isStop(value) || (isListOf(value, isStop) && (value as unknown[]).length <= MOST_STOPS),
  { error: `expected a text, or a list of up to ${MOST_STOPS}, of at most ${LONGEST_STOP} characters each` },
);

/** Messages and their parts. */
const MOST_PARTS = 10_000;
const hasFewParts = (messages: unknown) =>
  !Array.isArray(messages) ||
  messages.reduce<number>(
    (sum, message: { content?: unknown } | null) =>
      sum + 1 + (Array.isArray(message?.content) ? message.content.length : 0),
    0,
  ) <= MOST_PARTS;

const switched = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const shared = {
  ...sharedParameters,
  model: z.string(),
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullish()
    .transform((value) => value ?? 1),
  top_p: z
    .number()
    .gt(0)
    .max(1)
    .nullish()
    .transform((value) => value ?? 1),
  /** Of vLLM's, as the following are: -1 and 0 are off. */
  top_k: z
    .int()
    .min(-1)
    .nullish()
    .transform((value) => Math.max(0, value ?? 0)),
  n: z
    .int()
    .min(1)
    .max(128)
    .nullish()
    .transform((value) => value ?? 1),
  seed: z.int().nonnegative().nullish(),
  stop: stopTexts.nullish().transform((value) => [value ?? []].flat().filter((text) => text !== '')),
  /** Tokens that end an answer anyway. */
  stop_token_ids: tokenIdList.nullish().transform((value) => value ?? []),
  stream: switched,
  stream_options: z
    .strictObject({ include_usage: switched, include_obfuscation: z.literal(false).nullish() })
    .nullish()
    .transform((value) => ({ includeUsage: value?.include_usage ?? false })),
  return_token_ids: switched,
  return_tokens_as_token_ids: switched,
};

const unsupported = (parameter: string, problem: string) => ({
  path: [parameter],
  params: UNSUPPORTED,
  error: problem,
});

export const completionRequest = z
  .strictObject({
    ...shared,
    ...completionParameters,
    prompt: promptInput,
    max_tokens: z
      .int()
      .min(0)
      .nullish()
      .transform((value) => value ?? 16),
    logprobs: z.int().min(0).max(MOST_LIKELY).nullish(),
    echo: switched,
    best_of: z.int().nullish(),
  })
  .refine(
    ({ best_of, n }) => best_of == null || best_of === n,
    unsupported('best_of', 'supports no value but that of n.'),
  );
export type CompletionRequest = z.infer<typeof completionRequest>;

export const chatRequest = z
  .strictObject({
    ...shared,
    ...chatParameters,
    messages: z
      .unknown()
      .refine(hasFewParts, `expected at most ${MOST_PARTS} messages and parts of messages`)
      .pipe(z.array(messageSchema).min(1)),
    /** The policy continues a final message of the assistant in any case; clients of vLLM ask for it. */
    continue_final_message: switched,
    add_generation_prompt: z.boolean().nullish(),
    max_tokens: z.int().min(1).nullish(),
    max_completion_tokens: z.int().min(1).nullish(),
    logprobs: switched,
    top_logprobs: z
      .int()
      .min(0)
      .max(MOST_LIKELY)
      .nullish()
      .transform((value) => value ?? 0),
  })
  .refine(
    ({ max_tokens: old, max_completion_tokens: limit }) => old == null || limit == null || old === limit,
    unsupported('max_tokens', 'does not support another value than max_completion_tokens; set one of them.'),
  )
  .refine(
    ({ continue_final_message: continues, messages }) => !continues || messages.at(-1)!.role === 'assistant',
    unsupported('continue_final_message', 'is not supported if the last message is not of the assistant.'),
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
export type ChatRequest = z.infer<typeof chatRequest>;

const loraName = z.string().min(1);
export const loadRequest = z.strictObject({ lora_name: loraName, lora_path: z.string().min(1), ...loadParameters });
export const unloadRequest = z.strictObject({ lora_name: loraName, ...unloadParameters });

/** @throws Refused for the first problem of a request, in the words of OpenAI's API */
export function parseRequest<S extends z.ZodType>(body: unknown, schema: S): z.infer<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const parameter = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => (parameter ? `${parameter}.${key}` : key));
    throw new Refused(
      400,
      `Unrecognized request argument${names.length > 1 ? 's' : ''} supplied: ${names.join(', ')}`,
      'unknown_parameter',
      names[0],
    );
  }
  if (issue.code === 'custom' && issue.params === UNSUPPORTED) {
    const kind = issue.message.startsWith('is not supported') ? 'parameter' : 'value';
    throw new Refused(400, `Unsupported ${kind}: '${parameter}' ${issue.message}`, `unsupported_${kind}`, parameter);
  }
  throw new Refused(
    400,
    parameter ? `"${parameter}" is not valid: ${issue.message}.` : `${issue.message}.`,
    null,
    parameter || null,
  );
}
