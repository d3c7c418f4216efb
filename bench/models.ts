/** The measured models. They are created once, in the cache. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeModel } from '../examples/quickstart/model.ts';
import { elementCount } from '../engine/model-files/element-count.ts';
import { readLlamaConfig } from '../engine/model-files/llama-config.ts';
import { writeSafetensors } from '../engine/model-files/safetensors.ts';
import { randomModel } from '../test/random-model.ts';
import { smollm2 } from '../test/smollm2/model.ts';
import { cacheFolder } from '../workers/places.ts';
import { parameterShapes } from '../engine/model-files/shapes.ts';
import { startEngine } from '../engine/backends.ts';

export type ModelName = 'smollm2' | 'smollm2 with twice the layers' | 'quickstart' | 'large';

/** Creates the model if the cache does not have it. @returns its folder */
export async function modelFolder(name: ModelName): Promise<string> {
  if (name === 'smollm2') return smollm2();
  if (name === 'quickstart') return quickstart();
  if (name === 'large') return large();
  return doubled(await smollm2());
}

async function quickstart(): Promise<string> {
  const folder = join(cacheFolder(), 'bench-quickstart', 'model');
  mkdirSync(join(folder, '..'), { recursive: true });
  const engine = startEngine();
  try {
    await makeModel(engine, folder, () => {});
  } finally {
    await engine.close();
  }
  return folder;
}

/** TinyLlama's shape, as published: 1.1 billion weights. */
const TINY_LLAMA = {
  vocab_size: 32000,
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  max_position_embeddings: 2048,
};

function large(): string {
  const folder = join(cacheFolder(), 'bench-1.1b-bfloat16');
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  randomModel(unfinished, TINY_LLAMA);
  renameSync(unfinished, folder);
  return folder;
}

/**
 * Scale of the weights, small enough for finite activations. All tensors must differ: ONNX Runtime keeps a single packed copy of
 * equal tensors, which would stay in the CPU's cache and make the measurement too fast.
 */
const WEIGHT = 0.01;

/** SmolLM2 with twice the layers and synthetic weights. */
function doubled(model: string): string {
  const folder = join(cacheFolder(), 'bench-smollm2-doubled');
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as { num_hidden_layers: number };
  config.num_hidden_layers *= 2;
  writeFileSync(join(unfinished, 'config.json'), JSON.stringify(config));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'generation_config.json']) {
    if (existsSync(join(model, name))) writeFileSync(join(unfinished, name), readFileSync(join(model, name)));
  }
  const tensors = [...parameterShapes(readLlamaConfig(unfinished))].map(([name, shape], n) => {
    const data = new Float32Array(elementCount(shape));
    for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 1 : WEIGHT * Math.sin(i + n);
    return { name, dtype: 'F32' as const, shape, data };
  });
  writeSafetensors(join(unfinished, 'model.safetensors'), tensors, { format: 'pt' });
  renameSync(unfinished, folder);
  return folder;
}
