/** The record types of all JSON Lines files that selm reads or writes. Records are validated once, when they are read. */
import { z } from 'zod';

const contentSchema = z.union([z.string(), z.array(z.looseObject({}))], {
  error: "expected a string or a list of text parts; give other values, such as a tool's result, as JSON in a string",
});

/** Whether the tool calls of a message have the form that chat templates read: `{function: {name}}` or `{name}`, with other keys. */
const areCalls = (calls: unknown): boolean =>
  Array.isArray(calls) &&
  calls.every((call: { function?: { name?: unknown } | null; name?: unknown } | null) => {
    const { name } = call?.function ?? call ?? {};
    return typeof name === 'string';
  });

/**
 * One message of a conversation, for a chat template. Its content is a text or a list of parts (the tokenizer rejects parts that are
 * not text). A message with tool calls may have no content. Other keys are passed to the template, in their order: a key of the schema
 * would come before them.
 */
export const messageSchema = z
  .looseObject({ role: z.string().min(1), content: contentSchema.nullish() })
  .refine(({ tool_calls: calls }) => calls === null || calls === undefined || areCalls(calls), {
    path: ['tool_calls'],
    error: 'expected a list of calls, such as [{"type": "function", "function": {"name": "…", "arguments": {…}}}]',
  })
  .refine(({ content, tool_calls }) => (content ?? tool_calls ?? undefined) !== undefined, {
    path: ['content'],
    error: 'expected a string or a list of text parts',
  });
export type Message = z.infer<typeof messageSchema>;

/** A tool that the model may call, as a JSON schema. */
export type Tool = Record<string, unknown>;

/** The `tools` column, as in TRL: a list of tools, or that list as JSON. */
const toolsSchema = z
  .union([z.string(), z.array(z.looseObject({}))], { error: 'expected a list of tools, or that list as JSON' })
  .nullish();

/** The `chat_template_kwargs` column, as in TRL: variables of the chat template, such as `enable_thinking`. */
const argumentsSchema = z
  .record(z.string(), z.unknown(), { error: 'expected an object of variables of the chat template' })
  .nullish();

/**
 * What a row gives the chat template besides its messages. `continue_final_message: false`: a prompt that ends with an assistant message
 * ends with a complete one, so that a response is a new message. Readers set it where the responses repeat the prompt.
 */
const templateFields = {
  tools: toolsSchema,
  chat_template_kwargs: argumentsSchema,
  continue_final_message: z.boolean().nullish(),
};
export type TemplateFields = z.infer<z.ZodObject<typeof templateFields>>;

/**
 * A text: a plain string, or a conversation. For a model with a chat template a string is one user message (a prompt) or one assistant
 * message (a response). A model without a template gets it unchanged.
 */
export const textSchema = z.union([z.string().min(1), z.array(messageSchema).min(1)], {
  error: 'expected a non-empty string or a list of {role, content} messages',
});
export type Text = z.infer<typeof textSchema>;

/** A response may be empty: a policy can end its turn immediately. */
export const responseTextSchema = z.union([z.string(), z.array(messageSchema).min(1)], {
  error: 'expected a string or a list of {role, content} messages',
});

/** Why a response ends. One that was cut at the length limit (`length`) has no end-of-turn token. */
const finishReason = z.enum(['stop', 'length']);

const tokenIds = z.array(z.int().nonnegative()).min(1);

/** The prompts of responses for which a row's prompt is not the same (see `preferenceSchema`). */
const rolePrompts = {
  chosen_prompt_input_ids: tokenIds.optional(),
  rejected_prompt_input_ids: tokenIds.optional(),
  reference_prompt_input_ids: tokenIds.optional(),
};

/** A prompt. Further fields (constraints, reference answers, …) are passed to the labelers unchanged. */
export const promptSchema = z.looseObject({
  id: z.string(),
  prompt: textSchema,
  ...templateFields,
  /** The data set's responses, if any: additional candidates. */
  chosen: responseTextSchema.optional(),
  rejected: responseTextSchema.optional(),
});
export type PromptRecord = z.infer<typeof promptSchema>;

/**
 * An object inside a row in which a null value counts as a missing field, as in the row itself (makeRow). Values for chat templates, which
 * may be null, are deeper.
 */
const withoutNulls = <S extends z.ZodType>(schema: S) =>
  z.preprocess(
    (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
        : value,
    schema,
  );

/**
 * One response of the policy. `logp` is the sum of its tokens' log-probabilities (nats) under the policy at temperature 1; absent if
 * a server sampled the response and did not return them.
 */
const responseSchema = withoutNulls(
  z.object({
    text: z.string(),
    token_ids: z.array(z.int().nonnegative()),
    finish_reason: finishReason,
    logp: z.number().optional(),
  }),
);
export type Response = z.infer<typeof responseSchema>;

/**
 * A prompt with the policy's responses: what `sample` writes and `label` reads. The first response is the reference response.
 * `prompt_input_ids` are the tokens of the prompt that the policy was given.
 */
export const sampledSchema = promptSchema.extend({
  prompt_input_ids: tokenIds.optional(),
  responses: z.array(responseSchema).min(1),
});
export type SampledRecord = z.infer<typeof sampledSchema>;

/** A prompt with responses from any source, as texts or as conversations. Those that a policy sampled have their tokens. */
export const answeredSchema = promptSchema.extend({
  prompt_input_ids: tokenIds.optional(),
  responses: z
    .array(
      withoutNulls(
        z.looseObject({
          text: responseTextSchema,
          token_ids: z.array(z.int().nonnegative()).optional(),
          finish_reason: finishReason.optional(),
        }),
      ),
    )
    .min(1),
});
export type AnsweredRecord = z.infer<typeof answeredSchema>;

/**
 * The labeler's verdicts on a prompt's candidates: what `label` and `labelHeldOut` write. `index` numbers the row's responses, then
 * the data set's chosen and rejected. A candidate may have no score. A response that is not listed is not a candidate.
 */
export const labelRecordSchema = z.object({
  id: z.string(),
  candidates: z.array(
    withoutNulls(
      z.object({ index: z.int().nonnegative(), score: z.number().optional(), pass: z.boolean().optional() }),
    ),
  ),
  /** The probability that the better candidate is better, by people's votes. Absent if neither is, and for other labelers. */
  confidence: z.number().optional(),
});
export type LabelRecord = z.infer<typeof labelRecordSchema>;

/** The responses of a preference, including SELM's reference response. They are the prefixes of the fields with token ids. */
export const ROLES = ['chosen', 'rejected', 'reference'] as const;
export type Role = (typeof ROLES)[number];

/**
 * A preference in TRL's format with SELM's reference response: what `prefer` and `selm label` write and `optimize` reads.
 * Training uses a response's token ids unchanged if the row has them; otherwise it encodes the text, without an end-of-turn token if
 * `ROLE_finish_reason` is `length`. If the chat template renders a
 * different prompt for a response than `prompt_input_ids`, the tokens of that prompt are in `ROLE_prompt_input_ids`.
 */
export const preferenceSchema = z.looseObject({
  id: z.string(),
  prompt: textSchema,
  ...templateFields,
  chosen: textSchema,
  rejected: responseTextSchema,
  reference_response: responseTextSchema.optional(),
  score_chosen: z.number().optional(),
  score_rejected: z.number().optional(),
  /** The probability that chosen is better than rejected, by people's votes. */
  confidence: z.number().optional(),
  prompt_input_ids: tokenIds.optional(),
  chosen_input_ids: tokenIds.optional(),
  rejected_input_ids: tokenIds.optional(),
  reference_input_ids: tokenIds.optional(),
  ...rolePrompts,
  chosen_finish_reason: finishReason.optional(),
  rejected_finish_reason: finishReason.optional(),
  reference_finish_reason: finishReason.optional(),
});
export type PreferenceRecord = z.infer<typeof preferenceSchema>;

/** A tokenized preference: no tokens are added. */
export const tokenizedPreferenceSchema = z.looseObject({
  prompt_input_ids: tokenIds,
  chosen_input_ids: tokenIds,
  rejected_input_ids: tokenIds,
  reference_input_ids: tokenIds.optional(),
  ...rolePrompts,
  confidence: z.number().optional(),
});
export type TokenizedPreferenceRecord = z.infer<typeof tokenizedPreferenceSchema>;

/** A prompt and one response to score. */
export const scoreSchema = z.looseObject({ prompt: textSchema, ...templateFields, response: responseTextSchema });
export type ScoreRecord = z.infer<typeof scoreSchema>;

export const tokenizedScoreSchema = z.looseObject({ prompt_input_ids: tokenIds, response_input_ids: tokenIds });
export type TokenizedScoreRecord = z.infer<typeof tokenizedScoreSchema>;

/** A prompt with the sampled tokens of a response. Encoding the response's text may give other tokens. */
export type SampledScoreRecord = Pick<ScoreRecord, 'prompt' | keyof TemplateFields> & { response_input_ids: number[] };

/** Log-probabilities (nats) of a preference's responses under the reference policy: what `reference` writes. */
export const referenceLogpsSchema = z.object({ chosen: z.number(), rejected: z.number(), reference: z.number() });
export type ReferenceLogps = z.infer<typeof referenceLogpsSchema>;

/** A demonstration for supervised fine-tuning, in TRL's prompt-completion format or as one conversation. */
export const demonstrationSchema = z.union([
  z.looseObject({ prompt: textSchema, ...templateFields, completion: textSchema }),
  z.looseObject({ messages: z.array(messageSchema).min(2), ...templateFields }),
]);
export type DemonstrationRecord = z.infer<typeof demonstrationSchema>;
