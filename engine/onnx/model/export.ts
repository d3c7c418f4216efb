/** Writes whole models: an adapter merged into its base model, as a Hugging Face folder. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import { float32, scalar, Session, type Feeds } from '../session.ts';
import { copyModelFiles } from '../../model-files/copy.ts';
import type { Adapter } from '../../model-files/lora.ts';
import type { TensorFiles } from '../../model-files/model.ts';
import { readTensorF32, writeSafetensors } from '../../model-files/safetensors.ts';

/** Computes W + scale B A of one linear layer. */
function mergeGraph(): Graph {
  const g = new Graph();
  const weight = g.input('weight', 'float32', ['out', 'in']);
  const [a, b] = [g.input('a', 'float32', ['r', 'in']), g.input('b', 'float32', ['out', 'r'])];
  g.output('merged', ops.gemm(g, ops.mul(g, b, g.input('scale', 'float32', [])), a, { c: weight }));
  return g;
}

/** All weights of a policy of any architecture by name, float32, with the adapter merged in. */
export async function mergeAdapter(
  { tensors }: Pick<TensorFiles, 'tensors'>,
  adapter: Adapter | undefined,
): Promise<Feeds> {
  const session = adapter && (await Session.open(mergeGraph(), { threads: 1 }));
  const merged: Feeds = {};
  for (const [name, entry] of tensors) {
    const weight = float32(readTensorF32(entry), entry.shape);
    const update = adapter?.matrices.get(name.replace(/\.weight$/, ''));
    merged[name] =
      update && session
        ? (
            await session.run({
              weight,
              a: float32(update.a, [update.rank, update.in]),
              b: float32(update.b, [update.out, update.rank]),
              scale: scalar(update.scale),
            })
          )['merged']
        : weight;
  }
  await session?.close();
  return merged;
}

/**
 * Writes a Hugging Face model folder: `weights` as float32, and everything else (configuration, tokenizer, templates) as in `source`.
 * @param changes of config.json, if the weights are not those of the configuration in `source`
 */
export async function writeModel(
  folder: string,
  source: string,
  weights: Feeds,
  changes: { tie_word_embeddings?: boolean } = {},
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  copyModelFiles(source, folder, changes);
  const tensors = Object.entries(weights).map(([name, tensor]) => ({
    name,
    dtype: 'F32' as const,
    shape: [...tensor.dims],
    data: tensor.data as Float32Array,
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
}
