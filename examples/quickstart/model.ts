/** The quickstart's model: about a million parameters, trained from random weights on the demonstrations. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashValue } from '../../artifacts/hash.ts';
import type { Engine, Progress } from '../../engine/protocol/jobs.ts';
import { elementCount } from '../../engine/model-files/element-count.ts';
import { readLlamaConfig } from '../../engine/model-files/llama-config.ts';
import { writeSafetensors } from '../../engine/model-files/safetensors.ts';
import { uniformStream } from '../../data/random.ts';
import { trainingSchema } from '../../engine/protocol/settings.ts';
import { engineVersion } from '../../engine/version.ts';
import { demonstrations } from './demonstrations.ts';
import { instructions, things, write, type Instruction } from './task.ts';
import { makeTokenizer } from './tokenizer.ts';
import { parameterShapes } from '../../engine/model-files/shapes.ts';

const BATCHES = 800;
const training = trainingSchema.parse({
  full: true,
  batchSize: 64,
  // The largest rate at which training is stable, so that it takes about a minute.
  learningRate: 3e-3,
  microBatchTokens: 4096,
});

const architecture = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  dtype: 'float32',
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  initializer_range: 0.02,
};

/**
 * Creates the model in `folder`, unless it exists and was created with the same settings.
 * @param given what it is trained on. Default: the quickstart's training instructions and share of careful demonstrations
 * @returns whether it was created
 */
export async function makeModel(
  engine: Engine,
  folder: string,
  onProgress: (progress: Progress) => void,
  given: { instructions?: Instruction[]; carefulShare?: number } = {},
): Promise<boolean> {
  const taught = given.instructions ?? instructions().training;
  const rows = demonstrations(taught, BATCHES * training.batchSize, given.carefulShare);
  const tokenizer = makeTokenizer([...taught.map(({ text }) => text), ...writtenThings()]);
  const recipe = hashValue([architecture, tokenizer, rows, training, engineVersion]);
  const recipeFile = `${folder}.recipe`;
  if (existsSync(folder) && existsSync(recipeFile) && readFileSync(recipeFile, 'utf8') === recipe) return false;

  const [initial, trained] = [`${folder}.initial`, `${folder}.unfinished`];
  for (const path of [recipeFile, folder, initial, trained]) rmSync(path, { recursive: true, force: true });
  writeInitialModel(initial, tokenizer);
  await engine.run('sft', { policy: { model: initial }, rows, training, seed: 0, outDir: trained }, { onProgress });
  renameSync(trained, folder);
  writeFileSync(recipeFile, recipe);
  rmSync(initial, { recursive: true });
  return true;
}

/** Texts that contain every thing in every letter case, with and without a space before it, and all separators. */
function writtenThings(): string[] {
  return Object.values(things).flatMap((list) =>
    (['any', 'lower', 'upper'] as const).flatMap((letterCase) =>
      (['commas', 'semicolons', 'dashes', 'slashes', 'plus signs'] as const).flatMap((separator) =>
        list.map((thing) => write([thing, thing], separator, letterCase)),
      ),
    ),
  );
}

/** Writes a Hugging Face model folder with random weights. */
function writeInitialModel(folder: string, { json, config, vocabSize, endId }: ReturnType<typeof makeTokenizer>): void {
  mkdirSync(folder, { recursive: true });
  const save = (name: string, content: object) =>
    writeFileSync(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  save('config.json', {
    ...architecture,
    vocab_size: vocabSize,
    eos_token_id: endId,
    pad_token_id: endId,
    bos_token_id: null,
  });
  save('tokenizer.json', json);
  save('tokenizer_config.json', config);

  const next = uniformStream('quickstart', 'weights');
  // Uniform numbers in [-range, range] have the standard deviation initializer_range.
  const range = architecture.initializer_range * Math.sqrt(3);
  const tensors = [...parameterShapes(readLlamaConfig(folder))].map(([name, shape]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: Float32Array.from({ length: elementCount(shape) }, () => (shape.length === 1 ? 1 : (2 * next() - 1) * range)),
  }));
  writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
}
