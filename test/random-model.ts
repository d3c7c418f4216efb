/** Models of any size with random weights in bfloat16, to measure what size costs. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { readLlamaConfig } from '../engine/model-files/llama-config.ts';
import { tinyModel } from './tiny-model.ts';
import { parameterShapes } from '../engine/model-files/shapes.ts';

/** As in config.json. */
export interface Dimensions {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  max_position_embeddings: number;
}

const STANDARD_DEVIATION = 0.02;
const BYTES = 2;
/** Numbers made at a time. */
const PIECE = 1024 * 1024;

const elements = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/**
 * Makes `folder` a Hugging Face folder of a Llama with untied embeddings; its tokenizer is the tiny model's.
 * @returns how many weights it has
 */
export function randomModel(folder: string, dimensions: Dimensions): number {
  tinyModel(folder);
  const configFile = join(folder, 'config.json');
  const { head_dim: _, ...config } = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
  writeFileSync(
    configFile,
    JSON.stringify({ ...config, ...dimensions, tie_word_embeddings: false, dtype: 'bfloat16' }),
  );
  const shapes = [...parameterShapes(readLlamaConfig(folder))];
  let end = 0;
  const entries = shapes.map(([name, shape]) => {
    const start = end;
    end += BYTES * elements(shape);
    return [name, { dtype: 'BF16', shape, data_offsets: [start, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const fd = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(fd, Buffer.concat([length, header]));
  const next = randomNumbers();
  for (const [, shape] of shapes) {
    const count = elements(shape);
    // The weights of norms are ones.
    const number = shape.length === 1 ? () => 1 : next;
    for (let from = 0; from < count; from += PIECE) writeSync(fd, halves(Math.min(PIECE, count - from), number));
  }
  closeSync(fd);
  return end / BYTES;
}

/** The next numbers in bfloat16, the upper half of a float32. */
function halves(count: number, next: () => number): Uint16Array {
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = next();
  const words = new Uint32Array(numbers.buffer);
  const upper = new Uint16Array(count);
  for (let i = 0; i < count; i++) upper[i] = words[i] >>> 16;
  return upper;
}

/** A linear congruential generator: fast, and good enough for weights. */
function randomNumbers(): () => number {
  const range = STANDARD_DEVIATION * Math.sqrt(3);
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state / 2 ** 31) * range;
  };
}
