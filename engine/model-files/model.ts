/** A model folder, opened: its configuration, and its tensors. */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { ADAPTER_CONFIG } from './adapter-config.ts';
import { readModelConfig, type ModelConfig } from './config.ts';
import { tieEmbeddings } from './embeddings.ts';
import { readLlamaConfig, type LlamaConfig, type Task } from './llama-config.ts';
import type { TensorEntry } from './safetensors.ts';
import { parameterShapes } from './shapes.ts';
import { openModelWeights } from './weights.ts';

/** A model folder as it was opened: its configuration, and where the bytes of its weights are. */
export interface ModelFolder {
  folder: string;
  config: ModelConfig;
  /** Of the model, by the names in its files, which are those of transformers' modules. */
  tensors: Map<string, TensorEntry>;
}

/** A model folder of the Llama family. */
export interface LlamaFolder extends ModelFolder, TensorFiles {
  config: LlamaConfig;
}

/**
 * Opens the Hugging Face folder of a language model of any architecture: reads config.json and the headers of the weight files, no
 * weights.
 * @throws InputError when a file is missing, damaged or supported by no backend
 */
export function openModelFolder(folder: string): ModelFolder {
  checkIsModel(folder);
  return { folder, config: readModelConfig(folder), tensors: openModelWeights(folder) };
}

/**
 * Opens the folder of a model of the Llama family.
 * @param task the model must be for. Default: language modeling
 * @throws InputError when a file is missing, damaged or unsupported, or the weights do not fit the configuration
 */
export function openLlamaFolder(folder: string, task?: Task): LlamaFolder {
  checkIsModel(folder);
  const { config, tensors: all } = tieEmbeddings(readLlamaConfig(folder, task), openModelWeights(folder));
  const files = locateTensors(folder, all, parameterShapes(config));
  const unused = [...all.keys()].find((name) => !files.tensors.has(name) && !UNUSED.test(name));
  if (unused !== undefined) {
    throw new InputError(
      `${folder} has a tensor "${unused}", for which its config.json has no place: ` +
        "use the model's own config.json, or remove the tensor.",
    );
  }
  return { folder, config, ...files };
}

/** @throws InputError when the folder is an adapter's */
function checkIsModel(folder: string): void {
  if (!exists(join(folder, ADAPTER_CONFIG))) return;
  throw new InputError(
    `${folder} has an ${ADAPTER_CONFIG}: give a PEFT adapter as the adapter, and its base model, in a folder without one, as the model.`,
  );
}

/**
 * Tensors that transformers ignores: buffers that older versions saved, and the output layer of a model that has none or ties it to
 * the embedding.
 */
const UNUSED = /rotary_emb\.inv_freq$|^lm_head\.weight$/;

/** Where the bytes of each tensor are. */
export interface TensorFiles {
  tensors: Map<string, TensorEntry>;
  /** The folder that holds the weight files, symbolic links (as in the hub's cache) resolved. */
  dataFolder: string;
}

/**
 * Finds the tensors of a model among those of its folder.
 * @param all tensors of the folder, by name
 * @param shapes of the model's tensors, by name
 * @throws InputError when a tensor is missing or has another shape
 */
export function locateTensors(
  folder: string,
  all: Map<string, TensorEntry>,
  shapes: Map<string, number[]>,
): TensorFiles {
  const tensors = new Map<string, TensorEntry>();
  for (const [name, shape] of shapes) {
    const entry = all.get(name);
    if (!entry) {
      throw new InputError(
        `${folder} has no tensor "${name}", which its config.json asks for: use a complete download.`,
      );
    }
    if (entry.shape.join() !== shape.join()) {
      throw new InputError(
        `${entry.file}: tensor "${name}" is [${entry.shape}], but config.json asks for [${shape}]: they belong to different models.`,
      );
    }
    tensors.set(name, { ...entry, file: realpathSync(entry.file) });
  }
  const folders = new Set([...tensors.values()].map((entry) => dirname(entry.file)));
  if (folders.size > 1) throw new InputError(`${folder}: its shards lie in different folders; put them into one.`);
  return { tensors, dataFolder: [...folders][0] };
}
