/** A model folder opened for building graphs: which tensors it must hold, and where their bytes lie. */
import { realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { InputError } from '../../../data/errors.ts';
import { exists } from '../../../data/file-errors.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import * as ops from '../graph/ops.ts';
import type { ElementType } from '../format/format.ts';
import { ADAPTER_CONFIG } from '../../model-files/adapter-config.ts';
import { readModelConfig, type ModelConfig, type Task } from '../../model-files/config.ts';
import { EMBEDDING, OUTPUT, tieEmbeddings } from './embeddings.ts';
import type { QuantizedWeight } from './quantize.ts';
import { linearShape, projections, type Projection } from './lora.ts';
import { type TensorEntry } from '../../model-files/safetensors.ts';
import { openModelWeights } from '../../model-files/weights.ts';
import { sharedFloat32 } from './shared-weights.ts';
import { targetOf, type Device, type FloatType, type Target } from '../target.ts';

/** Name and shape of every tensor a model of this configuration has. */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const { hiddenSize, vocabSize, headDim } = config;
  shapes.set(EMBEDDING, [vocabSize, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    for (const [projection, path] of Object.entries(projections) as [Projection, string][]) {
      const [rows, columns] = linearShape(config, projection);
      shapes.set(`${prefix}.${path}.weight`, [rows, columns]);
      if (hasBias(config, projection)) shapes.set(`${prefix}.${path}.bias`, [rows]);
    }
    if (config.qkNorm) for (const part of ['q', 'k']) shapes.set(`${prefix}.self_attn.${part}_norm.weight`, [headDim]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (config.labels !== undefined) shapes.set('score.weight', [config.labels, hiddenSize]);
  else if (!config.tieEmbeddings) shapes.set(OUTPUT, [vocabSize, hiddenSize]);
  return shapes;
}

export function hasBias(config: ModelConfig, projection: Projection): boolean {
  if (projection === 'o_proj') return config.outputBias;
  return projections[projection].startsWith('self_attn') ? config.attentionBias : config.mlpBias;
}

/** A model's configuration and the places of its weights, checked against each other, and what its graphs are built for. */
export interface ModelFiles {
  folder: string;
  config: ModelConfig;
  tensors: Map<string, TensorEntry>;
  /** What external data is relative to: the folder the files really lie in, symbolic links (as in the hub's cache) resolved. */
  dataFolder: string;
  target: Target;
}

/** @throws InputError when the files and the configuration do not fit each other */
export function openModel(folder: string, task?: Task, device: Device = 'cpu'): ModelFiles {
  if (exists(join(folder, ADAPTER_CONFIG))) {
    throw new InputError(
      `${folder} has an ${ADAPTER_CONFIG}: give a PEFT adapter as the adapter, and its base model, in a folder without one, as the model.`,
    );
  }
  const { config, tensors: all } = tieEmbeddings(readModelConfig(folder, task), openModelWeights(folder));
  const files = locateTensors(folder, all, parameterShapes(config));
  const unused = [...all.keys()].find((name) => !files.tensors.has(name) && !UNUSED.test(name));
  if (unused !== undefined) {
    throw new InputError(
      `${folder} has a tensor "${unused}", for which its config.json has no place: use the model's own config.json, or remove the tensor.`,
    );
  }
  return { folder, config, ...files, target: targetOf(device, files.tensors.get(EMBEDDING)!.dtype) };
}

/** Tensors that transformers leaves out in silence: buffers of older versions, and an output layer where there is none or it is tied. */
const UNUSED = /rotary_emb\.inv_freq$|^lm_head\.weight$/;

/** A model's numbers: where each tensor's bytes lie, all below one folder. */
export type TensorFiles = Pick<ModelFiles, 'tensors' | 'dataFolder'>;

/**
 * Those of a folder's tensors that a model has.
 * @throws InputError when one is missing or of another shape than asked for
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

const elementTypeOf: Record<string, ElementType> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** How a transformer's graph gets at its numbers. */
export interface Parameters {
  /** A tensor of the model by its name in the folder. All are of one type, which the transformer computes in. */
  weight(name: string): Tensor;
  /** A matrix in 8 bits, where products are computed with those. */
  quantized?(name: string): QuantizedWeight;
  /** The low-rank update of a linear layer, where it has one. */
  lora?(layer: string): { a: Tensor; b: Tensor; scale: number } | undefined;
}

/**
 * The model's weights where they are: float32 stays in its file; of half precision, which the CPU's kernels do not take, there is
 * one float32 copy in memory for all graphs of the process.
 * @param type what they are computed with as; what is stored otherwise is converted as the session opens
 */
export function frozenWeights(g: Graph, model: TensorFiles, type: FloatType = 'float32'): (name: string) => Tensor {
  return eachOnce(model, (entry) =>
    type === 'float32' && entry.dtype !== 'F32'
      ? g.held(entry.name, entry.shape, sharedFloat32(entry))
      : ops.cast(g, storedWeight(g, entry, model.dataFolder), type),
  );
}

/**
 * The model's weights for a session that prepacks them: constants all of them. Those of another type are converted as the session
 * opens, and the packed weights take the place of what they were converted to.
 */
export function packedWeights(g: Graph, model: TensorFiles, type: FloatType): (name: string) => Tensor {
  return eachOnce(model, (entry) => ops.cast(g, storedWeight(g, entry, model.dataFolder), type));
}

/** What is made of the model's tensors by their names, each when it is first asked for. */
export function eachOnce<T>({ tensors }: TensorFiles, make: (entry: TensorEntry) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    const made = known.get(name) ?? make(tensors.get(name)!);
    known.set(name, made);
    return made;
  };
}

/** A constant whose bytes stay in their file. */
function storedWeight(g: Graph, entry: TensorEntry, folder: string): Tensor {
  const { name, dtype, shape, file, offset, length } = entry;
  return g.external(name, elementTypeOf[dtype], shape, { location: relative(folder, file), offset, length });
}
