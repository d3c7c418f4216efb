/** The linear layers that LoRA adapts, of a model of any architecture: found by the names and shapes of its tensors. */
import { InputError } from '../../data/errors.ts';
import { ALL_LINEAR, LORA_TARGETS } from '../protocol/settings.ts';

/** [out, in] of each linear layer in the model's blocks, by the layer's name: `model.layers.0.self_attn.q_proj`. */
export type LinearLayers = Map<string, [number, number]>;

const WEIGHT = '.weight';

/**
 * The linear layers of a model's blocks, block by block: its matrices below a numbered module. As with PEFT's `all-linear`, embeddings
 * and the output layer, which are outside of the blocks, have no LoRA matrices.
 * @param shapes of the model's tensors, by name
 */
export function linearLayers(shapes: Iterable<[name: string, shape: number[]]>): LinearLayers {
  const layers = [...shapes].flatMap(
    ([tensor, shape]): { name: string; shape: [number, number]; order: number[] }[] => {
      if (!tensor.endsWith(WEIGHT) || shape.length !== 2 || !/\.\d+\./.test(tensor)) return [];
      const name = tensor.slice(0, -WEIGHT.length);
      return [{ name, shape: [shape[0], shape[1]], order: orderOf(name) }];
    },
  );
  layers.sort((x, y) => compare(x.order, y.order));
  return new Map(layers.map(({ name, shape }) => [name, shape]));
}

/** The linear layers of an opened model. */
export const layersOf = ({ tensors }: { tensors: Map<string, { shape: number[] }> }): LinearLayers =>
  linearLayers([...tensors].map(([name, { shape }]) => [name, shape]));

/** The numbers of the layer's blocks, and its place among the layers of a block; layers of other names keep the files' order. */
function orderOf(layer: string): number[] {
  const place = (LORA_TARGETS as readonly string[]).indexOf(endOf(layer));
  return [...(layer.match(/(?<=\.)\d+(?=\.)/g) ?? []).map(Number), place < 0 ? LORA_TARGETS.length : place];
}

function compare(x: number[], y: number[]): number {
  const i = x.findIndex((value, index) => value !== y[index]);
  return i < 0 ? 0 : x[i] - (y[i] ?? -1);
}

/** The last part of a layer's name, as in PEFT's target_modules. */
const endOf = (layer: string) => layer.slice(layer.lastIndexOf('.') + 1);

/** The last parts of the layers' names, each once: `q_proj`. */
export const layerEnds = (layers: LinearLayers): string[] => [...new Set([...layers.keys()].map(endOf))];

/** Whether a list of PEFT's target_modules names a layer: by its full name, or by the last parts of it. */
export const isNamed = (layer: string, targets: string[]): boolean =>
  targets.some((target) => layer === target || layer.endsWith(`.${target}`));

/**
 * The layers that `targets` names.
 * @param targets names, or their last parts; `all-linear` is every layer
 * @throws InputError when the model has no layer of a name
 */
export function targetLayers(layers: LinearLayers, targets: string[]): LinearLayers {
  if (targets.length === 1 && targets[0] === ALL_LINEAR) return layers;
  const names = [...layers.keys()];
  const missing = targets.find((target) => !names.some((name) => isNamed(name, [target])));
  if (missing !== undefined) {
    throw new InputError(
      `the model has no linear layer "${missing}" (lora.targets): ` +
        `name some of ${layerEnds(layers).join(', ')}, or set lora.targets: [${ALL_LINEAR}].`,
    );
  }
  return new Map([...layers].filter(([name]) => isNamed(name, targets)));
}
