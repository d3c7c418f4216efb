/** The cases: what is measured, on which sides, and how often. */
import type { EngineFormat, Format } from './peers/llama.ts';
import type { WorkSize } from './work.ts';

export type Task =
  | 'optimize'
  | 'profile'
  | 'precomputed'
  | 'dpo'
  | 'sample'
  | 'generate'
  | 'decode'
  | 'score'
  | 'turns'
  | 'matmul'
  | 'round';
/** The peers that serve language models on CPUs. */
export const ENGINES = ['vllm', 'openvino', 'ctranslate2', 'onnxruntime-genai'] as const;
export type EngineName = (typeof ENGINES)[number];
export type Side = 'selm' | 'selm torch' | 'pytorch' | 'trl' | 'llama.cpp' | EngineName;

/** A case of the bench. */
export interface Case {
  name: string;
  task: Task;
  size: WorkSize;
  sides: Side[];
  /** Repeats per side. --repeats overrides it. */
  repeats: number;
  /** The format of the weights. */
  format?: Format;
  /** For a round: its configuration. */
  round?: 'quickstart' | 'smollm2';
}

const both: Side[] = ['selm', 'pytorch'];
const model = 'smollm2';

const training: WorkSize = { model, preferences: 12, batchSize: 4 };
/** Six training steps with the batch size of the quickstart's rounds. */
const small: WorkSize = {
  model: 'quickstart',
  preferences: 192,
  batchSize: 32,
  promptTokens: 24,
  responseTokens: [6, 24],
  full: true,
};

const sampled = (prompts: number, repeats: number, more: Partial<WorkSize> = {}, name = ''): Case => ({
  name: `sample ${prompts}${name}`,
  task: 'sample',
  size: { model, prompts, newTokens: 128, ...more },
  sides: both,
  repeats,
});

const generated = (prompts: number, format: EngineFormat): Case => ({
  name: `generate ${prompts} ${format}`,
  task: 'generate',
  size: { model, prompts, newTokens: 128, weights: format === 'q8_0' ? 'q8' : 'f32', ignoreEos: true },
  // transformers computes in float32 in all of them: its tokens are the reference.
  sides: ['selm', 'pytorch', 'llama.cpp', ...ENGINES],
  repeats: 3,
  format,
});
/** Sampling on all engines. */
export const GENERATION = (['f32', 'q8_0'] as const).flatMap((format) =>
  [16, 64].map((rows) => generated(rows, format)),
);

const PROMPT_TOKENS = 60;
const decoded = (prompts: number, format: Format, repeats: number): Case => ({
  name: `decode ${prompts} ${format}`,
  task: 'decode',
  size: {
    model,
    prompts,
    newTokens: 128,
    promptTokens: PROMPT_TOKENS,
    weights: format === 'q8_0' ? 'q8' : 'f32',
    ignoreEos: true,
  },
  // selm has no float16 weights on a CPU, so its float32 is compared with llama.cpp's f32 and f16.
  sides: format === 'f16' ? ['llama.cpp'] : ['selm', 'llama.cpp'],
  repeats,
  format,
});

const unshared: WorkSize = {
  model,
  prompts: 16,
  copies: 4,
  newTokens: 128,
  promptTokens: 240,
  temperature: 1,
  ignoreEos: true,
};

const fourSamples: WorkSize = { ...unshared, copies: 1, samplesPerPrompt: 4 };

const profiled = (of: string, size: WorkSize) => ({ name: `${of}, profiled`, of, size });
/** Profiles of decoding. `of` is the name of the profiled case. */
export const DECODING_PROFILES = [
  ...[16, 64].map((rows) => profiled(`sample ${rows}`, sampled(rows, 1).size)),
  ...(['f32', 'q8_0'] as const).flatMap((format) =>
    [16, 64].map((rows) => profiled(`decode ${rows} ${format}`, decoded(rows, format, 1).size)),
  ),
  profiled('4 samples a prompt', fourSamples),
];

const grownSample: WorkSize = { model, prompts: 16, newTokens: 64, promptTokens: 60 };
const grownOptimize: WorkSize = { model, preferences: 8, batchSize: 4, promptTokens: 64, responseTokens: [128, 128] };
const doubled = 'smollm2 with twice the layers';
const selm = (name: string, task: Task, size: WorkSize, repeats = 1): Case => ({
  name,
  task,
  size,
  sides: ['selm'],
  repeats,
});

export const LENGTHS = [512, 1024, 2048, 4096];
const LENGTH_PROMPT = 64;

/** Sizes for the engine's jobs in a round, with a model whose weights take several gigabytes. */
const large: WorkSize = {
  model: 'large',
  prompts: 4,
  newTokens: 16,
  preferences: 4,
  batchSize: 4,
  promptTokens: 64,
  responseTokens: [128, 128],
};

export const CASES: Case[] = [
  { name: 'matmul', task: 'matmul', size: { model }, sides: both, repeats: 3 },
  { name: 'optimize', task: 'optimize', size: training, sides: both, repeats: 3 },
  { name: 'optimize, profiled', task: 'profile', size: training, sides: ['selm'], repeats: 1 },
  { name: 'optimize, reference given', task: 'precomputed', size: training, sides: both, repeats: 3 },
  { name: 'DPO of pairs', task: 'dpo', size: training, sides: ['selm', 'selm torch', 'trl'], repeats: 3 },
  { name: 'optimize, all weights of the quickstart', task: 'optimize', size: small, sides: both, repeats: 3 },
  sampled(16, 3),
  sampled(16, 1, { newTokens: 256 }, ', 256 tokens'),
  sampled(64, 3),
  sampled(64, 1, { temperature: 1 }, ', temperature 1'),
  sampled(64, 1, { temperature: 1, topP: 0.9 }, ', temperature 1, top-p 0.9'),
  sampled(256, 1),
  ...GENERATION,
  ...[1, 16, 64].flatMap((prompts) =>
    (['f32', 'f16', 'q8_0'] as const).map((format) => decoded(prompts, format, format === 'f16' ? 1 : 3)),
  ),
  ...DECODING_PROFILES.map(({ name, size }) => selm(name, 'profile', size)),
  selm('4 samples a prompt', 'decode', fourSamples, 3),
  selm('4 samples a prompt, unshared', 'decode', unshared, 3),
  { name: 'score', task: 'score', size: { model, preferences: 32 }, sides: both, repeats: 1 },
  {
    name: 'round of the quickstart',
    task: 'round',
    size: { model: 'quickstart' },
    sides: ['selm'],
    repeats: 3,
    round: 'quickstart',
  },
  { name: 'round of SmolLM2', task: 'round', size: { model }, sides: ['selm'], repeats: 3, round: 'smollm2' },
  selm('growth, sample', 'decode', grownSample),
  selm('growth, sample, twice the prompts', 'decode', { ...grownSample, prompts: 32 }),
  selm('growth, sample, twice the tokens', 'decode', { ...grownSample, newTokens: 128 }),
  selm('growth, sample, twice the layers', 'decode', { ...grownSample, model: doubled }),
  selm('growth, optimize', 'optimize', grownOptimize),
  selm('growth, optimize, twice the preferences', 'optimize', { ...grownOptimize, preferences: 16, batchSize: 8 }),
  selm('growth, optimize, twice the response', 'optimize', { ...grownOptimize, responseTokens: [256, 256] }),
  selm('growth, optimize, twice the layers', 'optimize', { ...grownOptimize, model: doubled }),
  ...LENGTHS.map((length) => {
    const response = length - LENGTH_PROMPT;
    const size: WorkSize = {
      model,
      preferences: 1,
      batchSize: 1,
      promptTokens: LENGTH_PROMPT,
      responseTokens: [response, response],
    };
    return selm(`memory, ${length} tokens`, 'optimize', size);
  }),
  selm('large', 'turns', large, 1),
];
