/** The work that both sides do: the same tokens, as files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPrompts } from '../data/prompts.ts';
import type { Text } from '../data/records.ts';
import { readModelConfig } from '../engine/model/config.ts';
import { freshAdapter, writeAdapter } from '../engine/model/lora.ts';
import { loadTokenizer } from '../engine/model/tokenizer.ts';
import { uniformStream } from '../engine/random.ts';
import { loraSchema } from '../engine/settings.ts';

export type Task = 'optimize' | 'precomputed' | 'sample' | 'score';

export interface Work {
  model: string;
  /** LoRA, rank 16, on all linear layers, as training begins. */
  adapter: string;
  beta: number;
  alpha: number;
  learningRate: number;
  batchSize: number;
  preferences: Record<'prompt' | 'chosen' | 'rejected' | 'reference', number[]>[];
  texts: Text[];
  prompts: number[][];
  newTokens: number;
  eosIds: number[];
}

/** One run of one side. */
export interface Measurement {
  seconds: number;
  peakMegabytes: number;
  /** What was computed, to hold the sides against each other: losses, answers, log-probabilities. */
  values: number[] | number[][];
}

export interface WorkSize {
  preferences: number;
  batchSize: number;
  prompts: number;
  newTokens: number;
}

const SHORTEST_RESPONSE = 60;
const LONGEST_RESPONSE = 260;

/**
 * IFEval's prompts; responses of random tokens, as their lengths alone matter to the time. As in SELM's rounds, the reference
 * response mostly is chosen or rejected: two in three times.
 * @returns the file
 */
export async function writeWork(folder: string, model: string, size: WorkSize): Promise<string> {
  const records = await readPrompts(fileURLToPath(new URL('../examples/ifeval/train.jsonl', import.meta.url)));
  const tokenizer = loadTokenizer(model);
  const config = readModelConfig(model);
  const next = uniformStream('bench');
  const response = () => {
    const length = SHORTEST_RESPONSE + Math.floor(next() * (LONGEST_RESPONSE - SHORTEST_RESPONSE));
    return Array.from({ length }, () => 100 + Math.floor(next() * (config.vocabSize - 100)));
  };
  const texts = records.map(({ prompt }) => prompt);
  const preferences = texts.slice(0, size.preferences).map((prompt, i) => {
    const [chosen, rejected, other] = [response(), response(), response()];
    return { prompt: tokenizer.encodePrompt(prompt), chosen, rejected, reference: [chosen, rejected, other][i % 3] };
  });
  const adapter = join(folder, 'adapter');
  writeAdapter(adapter, { ...freshAdapter(config, loraSchema.parse({ rank: 16 }), 0), baseModel: model });
  const chosenTexts = texts.slice(0, size.prompts);
  const work: Work = {
    model,
    adapter,
    beta: 0.1,
    alpha: 0.001,
    learningRate: 1e-4,
    batchSize: size.batchSize,
    preferences,
    texts: chosenTexts,
    prompts: chosenTexts.map((text) => tokenizer.encodePrompt(text)),
    newTokens: size.newTokens,
    eosIds: tokenizer.eosIds,
  };
  const file = join(folder, `work-${size.prompts}.json`);
  writeFileSync(file, JSON.stringify(work));
  return file;
}
