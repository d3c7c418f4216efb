/** The record types of every JSON Lines file that selm reads or writes, validated once at the door. */
import { z } from 'zod';

/** One turn of a conversation, as every chat template takes it. */
export const messageSchema = z.looseObject({ role: z.string().min(1), content: z.string() });
export type Message = z.infer<typeof messageSchema>;

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
  /** The data set's own responses, where it has them: candidates beside the policy's answers. */
  chosen: responseTextSchema.optional(),
  rejected: responseTextSchema.optional(),
});
export type PromptRecord = z.infer<typeof promptSchema>;

/**
 * One answer of the policy. `logp` is the sum of its tokens' log-probabilities (nats) under the policy at temperature 1; a server
 * that the answer was sampled by may not tell it.
 */
export const responseSchema = z.object({
  text: z.string(),
  token_ids: z.array(z.int().nonnegative()),
  finish_reason: z.enum(['stop', 'length']),
  logp: z.number().optional(),
});
export type Response = z.infer<typeof responseSchema>;

/** A prompt with the policy's answers: what `sample` writes and `label` reads. The first response is the reference response. */
export const sampledSchema = promptSchema.extend({ responses: z.array(responseSchema).min(1) });
export type SampledRecord = z.infer<typeof sampledSchema>;

/** A prompt with answers of anyone's. Their tokens are known where a policy of selm's gave them. */
export const answeredSchema = promptSchema.extend({
  responses: z.array(z.looseObject({ text: z.string(), token_ids: z.array(z.int().nonnegative()).optional() })).min(1),
});
export type AnsweredRecord = z.infer<typeof answeredSchema>;

/**
 * A prompt's candidates, each text once, with the labeler's verdicts: what `label` and `judge` write. Without a score there is
 * no judgement.
 */
export const labelRecordSchema = z.object({
  id: z.string(),
  candidates: z.array(z.object({ text: z.string(), score: z.number().optional(), pass: z.boolean().optional() })),
});
export type LabelRecord = z.infer<typeof labelRecordSchema>;

/** A preference in TRL's format plus SELM's reference response: what `label` writes and `optimize` reads. */
export const preferenceSchema = z.looseObject({
  id: z.string(),
  prompt: textSchema,
  chosen: textSchema,
  rejected: responseTextSchema,
  reference_response: responseTextSchema.optional(),
  score_chosen: z.number().optional(),
  score_rejected: z.number().optional(),
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
export const scoreSchema = z.looseObject({ prompt: textSchema, response: responseTextSchema });
export type ScoreRecord = z.infer<typeof scoreSchema>;

export const tokenizedScoreSchema = z.looseObject({ prompt_input_ids: tokenIds, response_input_ids: tokenIds });
export type TokenizedScoreRecord = z.infer<typeof tokenizedScoreSchema>;

/** A prompt with an answer as it was sampled: the tokens themselves, which their text need not give back. */
export type SampledScoreRecord = { prompt: Text; response_input_ids: number[] };

/** A demonstration for supervised fine-tuning, in TRL's prompt-completion format or as one conversation. */
export const demonstrationSchema = z.union([
  z.looseObject({ prompt: textSchema, completion: textSchema }),
  z.looseObject({ messages: z.array(messageSchema).min(2) }),
]);
export type DemonstrationRecord = z.infer<typeof demonstrationSchema>;
