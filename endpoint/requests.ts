/** What clients of the OpenAI API send, as far as it means something here; other fields are left aside. */
import { z } from 'zod';
import { messageSchema } from '../data/records.ts';
import { MOST_LIKELY } from '../engine/token-scores.ts';

const tokenIds = z.array(z.int().nonnegative()).min(1);
const switched = z.boolean().nullish().transform((value) => value ?? false); // prettier-ignore

const shared = {
  model: z.string(),
  temperature: z.number().min(0).max(2).nullish().transform((value) => value ?? 1), // prettier-ignore
  top_p: z.number().gt(0).max(1).nullish().transform((value) => value ?? 1), // prettier-ignore
  /** Of vLLM's, as the following are: -1 and 0 are off. */
  top_k: z.int().min(-1).nullish().transform((value) => Math.max(0, value ?? 0)), // prettier-ignore
  n: z.int().min(1).max(128).nullish().transform((value) => value ?? 1), // prettier-ignore
  seed: z.int().nonnegative().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish().transform((value) => [value ?? []].flat().filter((text) => text !== '')), // prettier-ignore
  stream: switched,
  return_token_ids: switched,
};

export const completionRequest = z.object({
  ...shared,
  prompt: z.union([z.string().min(1), z.array(z.string().min(1)).min(1), tokenIds, z.array(tokenIds).min(1)], {
    error: 'expected a text, token ids, or a list of either',
  }),
  max_tokens: z.int().min(0).nullish().transform((value) => value ?? 16), // prettier-ignore
  logprobs: z.int().min(0).max(MOST_LIKELY).nullish(),
  echo: switched,
});
export type CompletionRequest = z.infer<typeof completionRequest>;

export const chatRequest = z.object({
  ...shared,
  messages: z.array(messageSchema).min(1),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: switched,
  top_logprobs: z.int().min(0).max(MOST_LIKELY).nullish().transform((value) => value ?? 0), // prettier-ignore
});
export type ChatRequest = z.infer<typeof chatRequest>;

const loraName = z.string().min(1);
export const loadRequest = z.object({ lora_name: loraName, lora_path: z.string().min(1) });
export const unloadRequest = z.object({ lora_name: loraName });
