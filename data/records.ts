/** The record types of every JSON Lines file that selm reads or writes, validated once at the door. */
import { z } from 'zod';

/**
 * One turn of a conversation, as chat templates take it: its content is a text or a list of parts (of which the tokenizer refuses
 * what is no text), and a call of tools may have none. Other keys go to the template as they are.
 */
export const messageSchema = z
  .looseObject({ role: z.string().min(1), content: z.union([z.string(), z.array(z.looseObject({}))]).nullish() })
  .refine(({ content, tool_calls }) => (content ?? tool_calls ?? undefined) !== undefined, {
    path: ['content'],
    error: 'expected a string or a list of text parts',
  });
export type Message = z.infer<typeof messageSchema>;

/** A tool that a prompt offers, as a JSON schema. */
export type Tool = Record<string, unknown>;

/** The `tools` column, as TRL has it: a list of tools, or that list as JSON. */
const toolsSchema = z
  .union([z.string(), z.array(z.looseObject({}))], { error: 'expected a list of tools, or that list as JSON' })
  .nullish();

/**
 * A text as users write it: a plain string, or a conversation. A plain string given to a model with a chat template stands
 * for one user message (a prompt) or one assistant message (a response); a model without a template takes it as it is.
 */
export const textSchema = z.union([z.string().min(1), z.array(messageSchema).min(1)], {
  error: 'expected a non-empty string or a list of {role, content} messages',
});
export type Text = z.infer<typeof textSchema>;

/** A response may be empty: a policy can end its turn at once. */
export const responseTextSchema = z.union([z.string(), z.array(messageSchema).min(1)], {
  error: 'expected a string or a list of {role, content} messages',
});

const tokenIds = z.array(z.int().nonnegative()).min(1);

/** A prompt. Further fields (constraints, answers, the data set's own responses) travel along untouched to the labelers. */
export const promptSchema = z.looseObject({
  id: z.string(),
  prompt: textSchema,
  tools: toolsSchema,
  /** The data set's own responses, where it has them: candidates beside the policy's answers. */
  chosen: responseTextSchema.optional(),
  rejected: responseTextSchema.optional(),
});
export type PromptRecord = z.infer<typeof promptSchema>;

/**
 * One answer of the policy. `logp` is the sum of its tokens' log-probabilities (nats) under the policy at temperature 1; a server
 * that the answer was sampled by may not tell it.
 */
const responseSchema = z.object({
  text: z.string(),
  token_ids: z.array(z.int().nonnegative()),
  finish_reason: z.enum(['stop', 'length']),
  logp: z.number().optional(),
});
export type Response = z.infer<typeof responseSchema>;

/**
 * A prompt with the policy's answers: what `sample` writes and `label` reads. The first response is the reference response.
 * `prompt_input_ids` are the prompt's tokens as the policy read them.
 */
export const sampledSchema = promptSchema.extend({
  prompt_input_ids: tokenIds.optional(),
  responses: z.array(responseSchema).min(1),
});
export type SampledRecord = z.infer<typeof sampledSchema>;

/** A prompt with answers from any source. Their tokens are known where a policy sampled them. */
export const answeredSchema = promptSchema.extend({
  prompt_input_ids: tokenIds.optional(),
  responses: z
    .array(
      z.looseObject({
        text: z.string(),
        token_ids: z.array(z.int().nonnegative()).optional(),
        finish_reason: z.enum(['stop', 'length']).optional(),
      }),
    )
    .min(1),
});
export type AnsweredRecord = z.infer<typeof answeredSchema>;

/**
 * The labeler's verdicts on a prompt's candidates: what `label` and `labelHeldOut` write. `index` counts through the row's responses and
 * then the data set's own chosen and rejected. A candidate without a score has no judgement; a response that is not listed is no
 * candidate.
 */
export const labelRecordSchema = z.object({
  id: z.string(),
  candidates: z.array(
    z.object({ index: z.int().nonnegative(), score: z.number().optional(), pass: z.boolean().optional() }),
  ),
});
export type LabelRecord = z.infer<typeof labelRecordSchema>;

/** What a preference is between, and SELM's reference response: the prefixes of a preference row's token ids. */
export const ROLES = ['chosen', 'rejected', 'reference'] as const;
export type Role = (typeof ROLES)[number];

/**
 * A preference in TRL's format plus SELM's reference response: what `label` writes and `optimize` reads. Where a response's token
 * ids are given they are trained on as they are, else its text is encoded. A response whose text the chat template renders after
 * another prompt than `prompt_input_ids` has that prompt's tokens beside it, as `ROLE_prompt_input_ids`.
 */
export const preferenceSchema = z.looseObject({
  id: z.string(),
  prompt: textSchema,
  tools: toolsSchema,
  chosen: textSchema,
  rejected: responseTextSchema,
  reference_response: responseTextSchema.optional(),
  score_chosen: z.number().optional(),
  score_rejected: z.number().optional(),
  prompt_input_ids: tokenIds.optional(),
  chosen_input_ids: tokenIds.optional(),
  rejected_input_ids: tokenIds.optional(),
  reference_input_ids: tokenIds.optional(),
  chosen_prompt_input_ids: tokenIds.optional(),
  rejected_prompt_input_ids: tokenIds.optional(),
});
export type PreferenceRecord = z.infer<typeof preferenceSchema>;

/** A preference that is tokenized already: nothing is added to it. */
export const tokenizedPreferenceSchema = z.looseObject({
  prompt_input_ids: tokenIds,
  chosen_input_ids: tokenIds,
  rejected_input_ids: tokenIds,
  reference_input_ids: tokenIds.optional(),
});
export type TokenizedPreferenceRecord = z.infer<typeof tokenizedPreferenceSchema>;

/** A prompt and one response to score. */
export const scoreSchema = z.looseObject({ prompt: textSchema, tools: toolsSchema, response: responseTextSchema });
export type ScoreRecord = z.infer<typeof scoreSchema>;

export const tokenizedScoreSchema = z.looseObject({ prompt_input_ids: tokenIds, response_input_ids: tokenIds });
export type TokenizedScoreRecord = z.infer<typeof tokenizedScoreSchema>;

/** A prompt with an answer as it was sampled: the tokens themselves, which their text need not give back. */
export type SampledScoreRecord = Pick<ScoreRecord, 'prompt' | 'tools'> & { response_input_ids: number[] };

/** Log-probabilities (nats) of a preference's responses under the reference policy: what `reference` writes. */
export const referenceLogpsSchema = z.object({ chosen: z.number(), rejected: z.number(), reference: z.number() });
export type ReferenceLogps = z.infer<typeof referenceLogpsSchema>;

/** A demonstration for supervised fine-tuning, in TRL's prompt-completion format or as one conversation. */
export const demonstrationSchema = z.union([
  z.looseObject({ prompt: textSchema, tools: toolsSchema, completion: textSchema }),
  z.looseObject({ messages: z.array(messageSchema).min(2), tools: toolsSchema }),
]);
export type DemonstrationRecord = z.infer<typeof demonstrationSchema>;
