/** The input of a measurement, as a file: all sides process the same tokens. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPrompts } from '../data/prompts.ts';
import type { Text } from '../data/records.ts';
import { layersOf } from '../engine/model-files/linear-layers.ts';
import { freshAdapter, writeAdapter } from '../engine/model-files/lora.ts';
import { openModelFolder } from '../engine/model-files/model.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { uniformStream } from '../data/random.ts';
import { loraSchema } from '../engine/protocol/settings.ts';
import { modelFolder, type ModelName } from './models.ts';

/** The size and the settings of a work. */
export interface WorkSize {
  model: ModelName;
  /** For optimize and score. */
  preferences?: number;
  batchSize?: number;
  /** Shortest and longest response, in tokens. */
  responseTokens?: [number, number];
  /** Length of all prompts, in tokens. Default: the original lengths. */
  promptTokens?: number;
  /** Whether all weights are trained instead of an adapter. */
  full?: boolean;
  /** For sample. */
  prompts?: number;
  newTokens?: number;
  temperature?: number;
  topP?: number;
  samplesPerPrompt?: number;
  /** Number of copies of every prompt, as separate prompts. */
  copies?: number;
  weights?: string;
  /** Whether responses go on after the model's stop token, so that all have `newTokens` tokens. */
  ignoreEos?: boolean;
}

/** The input of a measurement. */
export interface Work {
  model: string;
  /** Folder of an untrained LoRA adapter of rank 16 on all linear layers. Absent if all weights are trained. */
  adapter?: string;
  /** Rank of the adapter. */
  rank: number;
  vocabSize: number;
  beta: number;
  alpha: number;
  learningRate: number;
  batchSize: number;
  preferences: Record<'prompt' | 'chosen' | 'rejected' | 'reference', number[]>[];
  /** The prompts to sample from, as texts and (`prompts`) as tokens. */
  texts: Text[];
  prompts: number[][];
  newTokens: number;
  temperature: number;
  topP: number;
  samplesPerPrompt: number;
  weights: string;
  ignoreEos: boolean;
  /** The model's stop tokens, or with `ignoreEos` one for engines that need any. */
  eosIds: number[];
}

const RANK = 16;
/** SmolLM2's <repo_name>, for engines that need a stop token: the prompts do not contain it, and the model does not generate it. */
const UNUSED_TOKEN = 3;

/**
 * Creates the work from IFEval's prompts. Responses are random tokens, because the time depends on their lengths only. As in
 * SELM's rounds, the reference response is usually the chosen or the rejected one: in two of three preferences.
 */
export async function makeWork(folder: string, size: WorkSize): Promise<Work> {
  const {
    preferences = 0,
    responseTokens = [60, 260],
    prompts = 0,
    promptTokens,
    copies = 1,
    full = false,
    ignoreEos = false,
  } = size;
  const model = await modelFolder(size.model);
  const records = await readPrompts(fileURLToPath(new URL('../examples/ifeval/prompts.jsonl', import.meta.url)));
  const tokenizer = loadTokenizer(model);
  const opened = openModelFolder(model);
  const next = uniformStream('bench');
  const [shortest, longest] = responseTokens;
  const token = () => 100 + Math.floor(next() * (opened.config.vocabSize - 100));
  const response = () =>
    Array.from({ length: shortest + Math.floor(next() * (longest - shortest + 1)) }, () => token());
  const texts = records.map(({ prompt }) => prompt);
  const encode = (text: Text) => {
    const tokens = tokenizer.encodePrompt(text);
    if (promptTokens === undefined) return tokens;
    return Array.from({ length: promptTokens }, (_, i) => tokens[i] ?? token());
  };
  const adapter = full ? undefined : join(folder, `adapter-${size.model}`);
  if (adapter)
    writeAdapter(adapter, { ...freshAdapter(layersOf(opened), loraSchema.parse({ rank: RANK }), 0), baseModel: model });
  const asked = texts.slice(0, prompts);
  return {
    model,
    ...(adapter && { adapter }),
    rank: RANK,
    vocabSize: opened.config.vocabSize,
    beta: 0.1,
    alpha: 0.001,
    learningRate: 1e-4,
    batchSize: size.batchSize ?? 4,
    preferences: texts.slice(0, preferences).map((prompt, i) => {
      const [chosen, rejected, other] = [response(), response(), response()];
      return { prompt: encode(prompt), chosen, rejected, reference: [chosen, rejected, other][i % 3] };
    }),
    texts: asked,
    prompts: asked.map(encode).flatMap((prompt) => Array<number[]>(copies).fill(prompt)),
    newTokens: size.newTokens ?? 128,
    temperature: size.temperature ?? 0,
    topP: size.topP ?? 1,
    samplesPerPrompt: size.samplesPerPrompt ?? 1,
    weights: size.weights ?? 'f32',
    ignoreEos,
    eosIds: ignoreEos ? [UNUSED_TOKEN] : tokenizer.eosIds,
  };
}

/** Tokens of the pairs of a step, each prompt counted once: the mean over the steps after the first one, which are measured. */
export function pairTokens({ preferences, batchSize }: Work): number {
  const later = preferences.slice(batchSize);
  const tokens = later.reduce((sum, { prompt, chosen, rejected }) => sum + [prompt, chosen, rejected].flat().length, 0);
  return (tokens * batchSize) / later.length;
}

/** Writes the work. @returns the path of the file */
export function writeWork(folder: string, work: Work): string {
  const file = join(folder, 'work.json');
  writeFileSync(file, JSON.stringify(work));
  return file;
}
