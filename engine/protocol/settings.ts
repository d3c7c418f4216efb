/** Settings of sampling and training: one schema for the command line's flags, a run's configuration and its reference page. */
import { z } from 'zod';
import { BACKENDS, DEVICES, type ComputeSettings } from './compute.ts';

const positiveInt = z.int().positive();
/** vLLM's limit (VLLM_MAX_N_SEQUENCES). */
const MAX_SAMPLES = 16_384;
/** Larger than the dimensions of any layer. */
const MAX_RANK = 16_384;

/** Settings of sampling. */
export const samplingSchema = z.strictObject({
  samplesPerPrompt: positiveInt.max(MAX_SAMPLES).default(1).describe('Responses per prompt.'),
  temperature: z.number().min(0).default(0).describe('Sampling temperature; 0 is greedy decoding, as in the paper.'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('Nucleus sampling: sample from the smallest set of tokens with this total probability; 1 turns it off.'),
  topK: z.int().min(0).default(0).describe('Sample from the k most likely tokens only; 0 turns it off.'),
  maxNewTokens: positiveInt.default(512).describe('Maximum length of a response, in tokens.'),
  maxPromptLength: positiveInt
    .optional()
    .describe(
      'Maximum length of a prompt, in tokens. A longer prompt is an error; in a run, `prompts.tooLong` applies instead. ' +
        "Default: the model's context.",
    ),
  batchSize: positiveInt
    .default(32)
    .describe(
      'Sequences decoded at the same time. More are faster, as long as their keys and values fit into memory (`selm doctor`).',
    ),
  weights: z
    .enum(['f32', 'q8'])
    .default('f32')
    .describe(
      'Weights for decoding with ONNX Runtime. `q8` rounds them to 8 bits, which is faster; the quantized policy differs slightly, and its KL ' +
        'divergence per token is reported. Training and evaluation do not use q8.',
    ),
});
export type SamplingSettings = z.infer<typeof samplingSchema>;

/** Most ranks of one machine. */
const MAX_GPUS = 64;

/** The settings of a run, and of a command that runs one step. */
export const computeFields = z.strictObject({
  backend: z
    .enum(BACKENDS)
    .optional()
    .describe(
      'What computes training and log-probabilities: `onnx` (ONNX Runtime on the CPU, nothing to install) or `torch` (PyTorch, ' +
        'on GPUs; `selm torch install`). Results depend on the backend. Default: `torch` if the machine that starts the run has an ' +
        'NVIDIA GPU and PyTorch is installed for selm, else `onnx`.',
    ),
  device: z
    .enum(DEVICES)
    .optional()
    .describe(
      'Device of the torch backend: `cuda` (NVIDIA GPUs; computes in bfloat16, trains float32 weights) or `cpu` (float32). ' +
        'Default: `cuda` if the machine that starts the run has an NVIDIA GPU, else `cpu`. ONNX Runtime computes on the CPU.',
    ),
  gpus: z
    .int()
    .positive()
    .max(MAX_GPUS)
    .optional()
    .describe(
      'GPUs of a worker that train one policy together: the torch backend runs one process (rank) on each, and shards the model ' +
        'over them. With `device: cpu`, the number of processes. Results depend on it. Default: 1.',
    ),
});

/** Refuses settings of the torch backend where another one computes. For schemas with the fields above. */
export const checkCompute: z.core.CheckFn<Pick<ComputeSettings, 'backend' | 'device' | 'gpus'>> = ({
  value,
  issues,
}) => {
  const { backend, device, gpus } = value;
  const refuse = (key: string, input: unknown) =>
    issues.push({
      code: 'custom',
      path: [key],
      input,
      message: 'it is a setting of PyTorch, set backend: torch as well or remove this setting',
    });
  if (backend === 'torch') return;
  if (device === 'cuda') refuse('device', device);
  if (gpus !== undefined) refuse('gpus', gpus);
};

/** Responses for KL divergences, in addition to the greedy ones. */
export const divergenceSchema = z.strictObject({
  klSamples: z
    .int()
    .min(0)
    .max(MAX_SAMPLES)
    .default(0)
    .describe(
      'Responses per held-out prompt, sampled at temperature 1, for an unbiased estimate of the KL divergence. With 0, the ' +
        'KL divergence is measured along the greedy responses only.',
    ),
});

/** The linear layers of the Llama family, by the last parts of their names, in their order in a block. */
export const LORA_TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

/** In place of names: every linear layer of the model's blocks, as PEFT's `all-linear`. */
export const ALL_LINEAR = 'all-linear';

/** Settings of a new LoRA adapter. */
export const loraSchema = z.strictObject({
  rank: positiveInt.max(MAX_RANK).default(16).describe('Rank of the LoRA matrices (r).'),
  alpha: z
    .number()
    .positive()
    .optional()
    .describe('Numerator of the scale alpha / rank (lora_alpha). Default: 2 × rank.'),
  targets: z
    .array(z.string().min(1))
    .min(1)
    .default([...LORA_TARGETS])
    .describe(
      "Linear layers that get LoRA matrices (target_modules): names as in the model's files, such as `qkv_proj` of Phi-3, or " +
        '`all-linear`, every linear layer of its blocks. The default is all of them in the Llama family.',
    ),
  rslora: z.boolean().default(false).describe('Scale by alpha / sqrt(rank) instead of alpha / rank.'),
});
export type LoraSettings = z.infer<typeof loraSchema>;

/** The paper's peak learning rates, one per round (arXiv 2405.19332, Zephyr-7B). A single training uses the first. */
export const LEARNING_RATES = [5e-7, 3e-7, 1e-7] as const;

/** Settings of training. */
export const trainingSchema = z.strictObject({
  learningRate: z
    .number()
    .positive()
    .default(LEARNING_RATES[0])
    .describe(
      "Peak learning rate. The default is the paper's, for all weights; an adapter needs a higher one, such as 1e-4 or 3e-4.",
    ),
  schedule: z
    .enum(['cosine', 'linear', 'constant'])
    .default('cosine')
    .describe('Learning rate schedule after the warm-up: `cosine` or `linear` decay to 0, or `constant`.'),
  warmupRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      'Share of the optimizer steps that are warm-up. In warm-up step i of n, the learning rate is i / (n + 1) of its peak. ' +
        'Default: 0.1, or 0 with a constant schedule.',
    ),
  weightDecay: z.number().min(0).default(0).describe("AdamW's decoupled weight decay."),
  adamBeta1: z.number().min(0).lt(1).default(0.9).describe("Decay of AdamW's first moment."),
  adamBeta2: z.number().min(0).lt(1).default(0.999).describe("Decay of AdamW's second moment."),
  adamEpsilon: z.number().positive().default(1e-8).describe("AdamW's epsilon."),
  maxGradNorm: z
    .number()
    .positive()
    .default(1)
    .describe('Gradients with a larger global norm are scaled down to this norm (gradient clipping).'),
  epochs: positiveInt.default(1).describe('Passes over the training data.'),
  batchSize: positiveInt
    .default(128)
    .describe('Rows per optimizer step. They are computed in micro-batches, so memory does not grow with this number.'),
  maxLength: positiveInt
    .default(1024)
    .describe(
      "Maximum length of a prompt with its response, in tokens; at most the model's context. The end of a longer response is cut.",
    ),
  maxPromptLength: positiveInt
    .default(512)
    .describe(
      'Maximum length of a prompt, in tokens. The beginning of a longer prompt is cut; in a run, `prompts.tooLong` applies ' +
        'instead.',
    ),
  microBatchTokens: positiveInt
    .default(1024)
    .describe('Maximum tokens per micro-batch; limits memory. A row with more tokens is a separate micro-batch.'),
  recompute: z
    .boolean()
    .default(false)
    .describe(
      "Gradient checkpointing: recompute a layer's activations in the backward pass instead of storing them. Training takes a " +
        'third more time and a fraction of the memory.',
    ),
  shuffle: z.boolean().default(true).describe('Train on the rows in random order, not in the order of the file.'),
  full: z.boolean().default(false).describe('Train all weights of the model instead of a LoRA adapter.'),
  lora: loraSchema.prefault({}).describe('The new LoRA adapter, if training does not start from an existing one.'),
});
export type TrainingSettings = z.infer<typeof trainingSchema>;
/** Length limits of training, in tokens: longer prompts and responses are cut. */
export type LengthLimits = Pick<TrainingSettings, 'maxLength' | 'maxPromptLength'>;

/** The settings of each objective, with their defaults. */
const OBJECTIVES = {
  selm: { beta: 0.01, alpha: 1e-3 },
  dpo: { beta: 0.01 },
  xpo: { beta: 0.01, alpha: 1e-5 },
  vpo: { beta: 0.01, alpha: 1e-3 },
  'se-popo': { beta: 0.1, alpha: 0.01 },
  geb: { beta: 0.1, alpha: 1 },
  ipo: { beta: 0.1 },
  simpo: { beta: 2, gamma: 1 },
  'ln-dpo': { beta: 5 },
  'r-dpo': { beta: 0.01, lengthPenalty: 0.01 },
};
type Objectives = typeof OBJECTIVES;
export type ObjectiveName = keyof Objectives;
const objectiveNames = Object.keys(OBJECTIVES) as ObjectiveName[];

/** Label smoothing applies to the logistic loss, which all objectives but this one have. In TRL too, IPO has none. */
const UNSMOOTHED = 'ipo' satisfies ObjectiveName;

/** The settings of objective `N`. */
export type ObjectiveSettings<N extends ObjectiveName = ObjectiveName> = N extends N
  ? {
      name: N;
      labelSmoothing?: N extends typeof UNSMOOTHED ? never : number | 'agreement';
      sftWeight?: number;
    } & Objectives[N]
  : never;

/** The settings of all objectives. */
export const objectiveFields = z.strictObject({
  name: z
    .enum(objectiveNames)
    .default('selm')
    .describe(
      'The loss: `selm` (arXiv 2405.19332), `dpo` (2305.18290), `xpo` (2405.21046), `vpo` (2405.19320), ' +
        '`se-popo` (2502.00666), `geb` (2510.03269, its KL form), `ipo` (2310.12036), `simpo` (2405.14734), `ln-dpo` ' +
        "(length-normalized DPO, 2411.15124; TRL's `sigmoid_norm`) or `r-dpo` (length-regularized DPO, 2403.19159). " +
        'In a run, the reference response of `xpo` and `vpo` is a response of the start policy; that of `selm` and `se-popo` is a ' +
        'response of the policy that the round starts from.',
    ),
  beta: z
    .number()
    .positive()
    .optional()
    .describe(
      'Strength of the regularization towards the reference policy; for `simpo`, the scale of the rewards. Default: 0.1 for ' +
        '`ipo`, `se-popo` and `geb`, 2 for `simpo`, 5 for `ln-dpo`, 0.01 for all others.',
    ),
  alpha: z
    .number()
    .min(0)
    .optional()
    .describe(
      'Strength of the term for exploration. Default: 0.001 for `selm` and `vpo`; 1e-5 for `xpo`, whose alpha corresponds to alpha × ' +
        "beta of `selm`; 0.01 for `se-popo`, whose alpha corresponds to 4 × alpha × beta of `selm`; 1 for `geb`, the paper's kappa.",
    ),
  gamma: z
    .number()
    .min(0)
    .optional()
    .describe('Target margin between the rewards of the chosen and the rejected response in `simpo`. Default: 1.'),
  lengthPenalty: z
    .number()
    .min(0)
    .optional()
    .describe(
      "What each token of a response costs in the reward that `r-dpo` learns (the paper's alpha). Default: 0.01, so that a chosen " +
        'response with 50 tokens more than the rejected one starts with a margin of 0.5.',
    ),
  labelSmoothing: z
    .union([z.number().min(0).lt(0.5), z.literal('agreement')], {
      error: 'expected a number of at least 0 and less than 0.5, or "agreement"',
    })
    .optional()
    .describe(
      'Assumed probability that a label is wrong, as in cDPO (Mitchell 2023); for all objectives but `ipo`. With `agreement` ' +
        "it is 1 − `confidence` of each preference, which comes from people's votes (in a run: `label.by: people`); preferences without `confidence` are not " +
        'smoothed, and counted. Default: 0.',
    ),
  sftWeight: z
    .number()
    .min(0)
    .optional()
    .describe(
      'Weight of the negative log-likelihood of the chosen response, added to the loss: alpha of RPO (arXiv 2404.19733, which uses 1), ' +
        'and the generation loss of MPO (2411.10442). Averaged over the tokens of each response, then over the preferences. Default: 0.',
    ),
});

/** The settings of the selected objective. A setting of another objective is an error, since it would have no effect. */
export const objectiveSchema = objectiveFields.transform(({ name, ...given }, context): ObjectiveSettings => {
  const { labelSmoothing, sftWeight, ...others } = given;
  const defaults = OBJECTIVES[name];
  const smoothing = name === UNSMOOTHED ? { labelSmoothing } : {};
  for (const [setting, value] of Object.entries({ ...others, ...smoothing })) {
    if (value === undefined || setting in defaults) continue;
    const message = `the ${name} objective has no ${setting}, remove it`;
    context.addIssue({ code: 'custom', path: [setting], message, input: value });
  }
  // 0 is the default of both: the same training has the same step key.
  const terms = { ...(labelSmoothing && { labelSmoothing }), ...(sftWeight && { sftWeight }) };
  return { name, ...defaults, ...others, ...terms } as ObjectiveSettings;
});
