/** The work that all sides do: the same tokens, as files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPrompts } from '../data/prompts.ts';
import type { Text } from '../data/records.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { freshAdapter, writeAdapter } from '../engine/model-files/lora.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { uniformStream } from '../data/random.ts';
import { loraSchema } from '../engine/protocol/settings.ts';
import { modelFolder, type ModelName } from './models.ts';

export interface WorkSize {
  model: ModelName;
  /** Optimize and score. */
  preferences?: number;
  batchSize?: number;
  /** Shortest and longest response, in tokens. */
  responseTokens?: [number, number];
  /** Exactly so long are all prompts; by default as long as they are. */
  promptTokens?: number;
  /** Train all weights, not an adapter. */
  full?: boolean;
  /** Sample. */
  prompts?: number;
  newTokens?: number;
  temperature?: number;
  topP?: number;
  samplesPerPrompt?: number;
  /** Every prompt so many times, as prompts of their own. */
  copies?: number;
  weights?: string;
}

export interface Work {
  model: string;
  /** LoRA, rank 16, on all linear layers, as training begins; none where all weights are trained. */
  adapter?: string;
  /** Of that adapter. */
  rank: number;
  vocabSize: number;
  beta: number;
  alpha: number;
  learningRate: number;
  batchSize: number;
  preferences: Record<'prompt' | 'chosen' | 'rejected' | 'reference', number[]>[];
  /** The prompts that are answered, as texts and as tokens. */
  texts: Text[];
  prompts: number[][];
  newTokens: number;
  temperature: number;
  topP: number;
  samplesPerPrompt: number;
  weights: string;
  eosIds: number[];
}

const RANK = 16;

/**
 * IFEval's prompts; responses of random tokens, as their lengths alone matter to the time. As in SELM's rounds, the reference
 * response mostly is chosen or rejected: two in three times.
 */
export async function makeWork(folder: string, size: WorkSize): Promise<Work> {
  const { preferences = 0, responseTokens = [60, 260], prompts = 0, promptTokens, copies = 1, full = false } = size;
  const model = await modelFolder(size.model);
  const records = await readPrompts(fileURLToPath(new URL('../examples/ifeval/train.jsonl', import.meta.url)));
  const tokenizer = loadTokenizer(model);
  const config = readModelConfig(model);
  const next = uniformStream('bench');
  const [shortest, longest] = responseTokens;
  const token = () => 100 + Math.floor(next() * (config.vocabSize - 100));
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
    writeAdapter(adapter, { ...freshAdapter(config, loraSchema.parse({ rank: RANK }), 0), baseModel: model });
  const asked = texts.slice(0, prompts);
  return {
    model,
    ...(adapter && { adapter }),
    rank: RANK,
    vocabSize: config.vocabSize,
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
    eosIds: tokenizer.eosIds,
  };
}

/** @returns the file */
export function writeWork(folder: string, work: Work): string {
  const file = join(folder, 'work.json');
  writeFileSync(file, JSON.stringify(work));
  return file;
}
