/** What a user may set of sampling and training: one schema for the command line's flags, the config file and its reference. */
import { z } from 'zod';

const positiveInt = z.int().positive();

export const samplingSchema = z.strictObject({
  samplesPerPrompt: positiveInt.default(1).describe('Answers per prompt.'),
  temperature: z.number().min(0).default(0).describe('0 is greedy decoding, as in the paper.'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('Nucleus sampling: the smallest set of tokens with this mass; 1 is off.'),
  topK: z.int().min(0).default(0).describe('Only the k most likely tokens; 0 is off.'),
  maxNewTokens: positiveInt.default(512).describe('Length limit of one answer, in tokens.'),
  maxPromptLength: positiveInt
    .optional()
    .describe('Longer prompts are refused. Default: what the model leaves room for.'),
  batchSize: positiveInt.default(32).describe('Sequences decoded at once.'),
});
export type SamplingSettings = z.infer<typeof samplingSchema>;

export const loraSchema = z.strictObject({
  rank: positiveInt.default(16).describe('Rank r of every LoRA matrix.'),
  alpha: z.number().positive().optional().describe('Scale numerator (lora_alpha). Default: 2 x rank.'),
  targets: z
    .array(z.enum(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']))
    .min(1)
    .default(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'])
    .describe('The linear layers that get an adapter (target_modules).'),
  rslora: z.boolean().default(false).describe('Scale by alpha / sqrt(rank) instead of alpha / rank.'),
});
export type LoraSettings = z.infer<typeof loraSchema>;

export const trainingSchema = z.strictObject({
  learningRate: z.number().positive().default(5e-7).describe('Peak learning rate.'),
  schedule: z.enum(['cosine', 'linear', 'constant']).default('cosine').describe('Learning rate after the warm-up.'),
  warmupRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of the steps with a rising learning rate. Default: 0.1, and 0 for a constant schedule.'),
  weightDecay: z.number().min(0).default(0).describe("AdamW's decoupled weight decay."),
  adamBeta1: z.number().min(0).lt(1).default(0.9).describe("AdamW's first moment decay."),
  adamBeta2: z.number().min(0).lt(1).default(0.999).describe("AdamW's second moment decay."),
  adamEpsilon: z.number().positive().default(1e-8).describe("AdamW's epsilon."),
  maxGradNorm: z.number().positive().default(1).describe('Gradients are scaled down to this global norm.'),
  epochs: positiveInt.default(1).describe('Passes over the data.'),
  batchSize: positiveInt
    .default(128)
    .describe('Rows per optimizer step; computed in micro-batches, so memory does not grow with it.'),
  maxLength: positiveInt.default(1024).describe('Longer sequences lose the end of the response (tokens).'),
  maxPromptLength: positiveInt.default(512).describe('Longer prompts lose their beginning (tokens).'),
  microBatchTokens: positiveInt
    .default(2048)
    .describe('Tokens in one pass of the engine (a longer row is passed alone).'),
  shuffle: z.boolean().default(true).describe('Visit the rows in an order drawn from the seed.'),
  full: z.boolean().default(false).describe('Train all weights instead of a LoRA adapter.'),
  lora: loraSchema.prefault({}).describe('The adapter, where none is given to start from.'),
});
export type TrainingSettings = z.infer<typeof trainingSchema>;

export const objectiveSchema = z.strictObject({
  name: z.enum(['selm', 'dpo']).default('selm').describe('The loss.'),
  beta: z.number().positive().default(0.01).describe('Strength of the tie to the reference policy.'),
  alpha: z
    .number()
    .min(0)
    .default(1e-3)
    .describe("SELM's optimism: weight of the reference response's term. dpo has none."),
});
export type ObjectiveSettings = z.infer<typeof objectiveSchema>;
