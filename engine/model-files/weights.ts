/** The weights of a model folder: one safetensors file, or shards that an index names. */
import { basename, join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { jsonOf } from '../../data/json.ts';
import { isContained } from '../../data/paths.ts';
import { readText } from './json-file.ts';
import { openSafetensors, type TensorEntry } from './safetensors.ts';

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });
const SINGLE = 'model.safetensors';

/**
 * All tensors of a model folder, by name, from one file or from shards. As in transformers, one file takes precedence over an index, and
 * all tensors of the shards count, not only those in the index.
 * @throws InputError when a file is missing or damaged, or does not have what the index says
 */
export function openModelWeights(folder: string): Map<string, TensorEntry> {
  const [single, index] = [join(folder, SINGLE), join(folder, `${SINGLE}.index.json`)];
  if (exists(single)) return openSafetensors(single);
  if (!exists(index)) {
    const pickled = ['pytorch_model.bin', 'pytorch_model.bin.index.json'].find((name) => exists(join(folder, name)));
    throw new InputError(
      pickled
        ? `${folder} has its weights in ${pickled}, which is not supported: save the model with transformers as ${SINGLE}.`
        : `${single} does not exist: download the complete model.`,
    );
  }
  const { success, data } = indexSchema.safeParse(jsonOf(readText(index)));
  if (!success) throw new InputError(`${index} is damaged: it has no "weight_map"; download it again.`);
  const tensors = new Map<string, TensorEntry>();
  const masks = new Set<string>();
  for (const shard of [...new Set(Object.values(data.weight_map))].sort()) {
    if (!isContained(shard))
      throw new InputError(
        `${index} names the file "${shard}", which is outside the model's folder: download the model from a source that you trust.`,
      );
    for (const [name, entry] of openSafetensors(join(folder, shard), masks)) {
      const other = tensors.get(name);
      if (other)
        throw new InputError(
          `${folder} has the tensor "${name}" twice, in ${basename(other.file)} and in ${shard}: download the model again.`,
        );
      tensors.set(name, entry);
    }
  }
  for (const [name, shard] of Object.entries(data.weight_map)) {
    if (tensors.get(name)?.file === join(folder, shard) || masks.has(name)) continue;
    throw new InputError(`${index} says that ${shard} holds "${name}", but it does not: download the model again.`);
  }
  return tensors;
}
