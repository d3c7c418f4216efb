/** Fields that requests to `/completions` and `/chat/completions` share. */
import { z } from 'zod';
import { sharedParameters, UNSUPPORTED } from './unsupported.ts';

const isTokenId = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isNonEmptyText = (value: unknown) => typeof value === 'string' && value !== '';
const isListOf = (value: unknown, isItem: (item: unknown) => boolean) => Array.isArray(value) && value.every(isItem);
const isNonEmptyList = (value: unknown, isItem: (item: unknown) => boolean) =>
  isListOf(value, isItem) && (value as unknown[]).length > 0;
const isTokenIds = (value: unknown) => isNonEmptyList(value, isTokenId);

// Lists are custom types, which stop at the first invalid item. z.array() reports all invalid items, which takes seconds and gigabytes.
const tokenIdList = z.custom<number[]>((value) => isListOf(value, isTokenId), {
  error: 'expected a list of token ids',
});

/** The prompts of a completion request: texts or lists of token ids. */
export const promptInput = z.custom<string | string[] | number[] | number[][]>(
  (value) =>
    isNonEmptyText(value) || [isNonEmptyText, isTokenId, isTokenIds].some((isItem) => isNonEmptyList(value, isItem)),
  { error: ({ input }) => describePrompt(input) },
);

/** Describes the error in a prompt. For a list: the first item that is invalid or has another type than the items before it. */
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

/** Limits on stop texts: the server searches for all of them after each token. */
const MOST_STOPS = 64;
const LONGEST_STOP = 1024;
const isStop = (value: unknown) => typeof value === 'string' && value.length <= LONGEST_STOP;
const stopTexts = z.custom<string | string[]>(
  (value) => isStop(value) || (isListOf(value, isStop) && (value as unknown[]).length <= MOST_STOPS),
  { error: `expected a text, or a list of up to ${MOST_STOPS}, of at most ${LONGEST_STOP} characters each` },
);

/** A field with a default value, which also replaces null. */
export function withDefault<T>(schema: z.ZodType<T, T>, value: T) {
  return schema.nullish().transform((given) => given ?? value);
}

/** A boolean field; false if it is absent or null. */
export const flag = withDefault(z.boolean(), false);

export const sharedFields = {
  ...sharedParameters,
  model: z.string(),
  temperature: withDefault(z.number().min(0).max(2), 1),
  top_p: withDefault(z.number().gt(0).max(1), 1),
  /** vLLM parameter; -1 and 0 mean all tokens. */
  top_k: z
    .int()
    .min(-1)
    .nullish()
    .transform((value) => Math.max(0, value ?? 0)),
  n: withDefault(z.int().min(1).max(128), 1),
  seed: z.int().nonnegative().nullish(),
  stop: stopTexts.nullish().transform((value) => [value ?? []].flat().filter((text) => text !== '')),
  /** vLLM parameter. selm's server accepts only the model's end-of-turn tokens. */
  stop_token_ids: tokenIdList.nullish().transform((value) => value ?? []),
  stream: flag,
  stream_options: z
    .strictObject({ include_usage: flag, include_obfuscation: z.literal(false).nullish() })
    .nullish()
    .transform((value) => ({ includeUsage: value?.include_usage ?? false })),
  /** vLLM parameter: adds `token_ids` and `prompt_token_ids` to the choices. */
  return_token_ids: flag,
  /** vLLM parameter: identifies the tokens in log-probabilities by their ids. */
  return_tokens_as_token_ids: flag,
};

/** The Zod issue for a combination of parameters that selm's server does not support. */
export const unsupported = (parameter: string, problem: string) => ({
  path: [parameter],
  params: UNSUPPORTED,
  error: problem,
});
