/** LoRA adapters (arXiv 2106.09685) in PEFT's folder format. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { uniformStream } from '../../data/random.ts';
import { ALL_LINEAR, type LoraSettings } from '../protocol/settings.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, readAdapterConfig } from './adapter-config.ts';
import { isNamed, layerEnds, targetLayers, type LinearLayers } from './linear-layers.ts';
import { openSafetensors, readTensorF32, writeSafetensors, type TensorEntry } from './safetensors.ts';

/** W + scale b a: `a` [rank, in], `b` [out, rank]. */
export interface LoraMatrices {
  a: Float32Array;
  b: Float32Array;
  in: number;
  out: number;
  rank: number;
  alpha: number;
  /** alpha / rank, or alpha / sqrt(rank) with rslora (arXiv 2312.03732). */
  scale: number;
}

/** A LoRA adapter with its matrices. */
export interface Adapter {
  /** Of layers that are not in PEFT's rank_pattern and alpha_pattern. */
  rank: number;
  alpha: number;
  rslora: boolean;
  /** PEFT's target_modules: the last parts of the names of layers with matrices, or full names if only some such layers have them. */
  targets: string[];
  baseModel?: string;
  /** By layer, as in `model.layers.0.self_attn.q_proj`. */
  matrices: Map<string, LoraMatrices>;
}

const scaleOf = (rank: number, alpha: number, rslora: boolean) => alpha / (rslora ? Math.sqrt(rank) : rank);

/**
 * A new adapter, which does not change the model: PEFT's initialization, A uniform in +-1/sqrt(in), B zero.
 * @param layers of the model (linear-layers.ts)
 * @throws InputError when the settings name a layer that the model does not have
 */
export function freshAdapter(layers: LinearLayers, settings: LoraSettings, seed: number): Adapter {
  const { rank, rslora, targets } = settings;
  const alpha = settings.alpha ?? 2 * rank;
  const matrices = new Map<string, LoraMatrices>();
  const adapted = targetLayers(layers, targets);
  for (const [name, [out, inputs]] of adapted) {
    const next = uniformStream(seed, 'lora_A', name);
    const bound = 1 / Math.sqrt(inputs);
    const a = Float32Array.from({ length: rank * inputs }, () => (2 * next() - 1) * bound);
    const scale = scaleOf(rank, alpha, rslora);
    matrices.set(name, { a, b: new Float32Array(out * rank), in: inputs, out, rank, alpha, scale });
  }
  return { rank, alpha, rslora, targets: targets.includes(ALL_LINEAR) ? layerEnds(adapted) : targets, matrices };
}

const PREFIX = 'base_model.model.';

/**
 * Reads a PEFT adapter folder, with all matrices.
 * @param layers of the model (linear-layers.ts)
 * @throws InputError when the folder is incomplete, has something unsupported, or does not fit the model
 */
export function readAdapter(folder: string, layers: LinearLayers): Adapter {
  const {
    isTarget,
    rankOf,
    alphaOf,
    rank: usualRank,
    alpha: usualAlpha,
    rslora,
    baseModel,
  } = readAdapterConfig(folder);
  const tensors = openWeights(folder);
  const matrices = new Map<string, LoraMatrices>();
  const used = new Set<string>();
  for (const [name, [out, inputs]] of layers) {
    if (!isTarget(name)) continue;
    const [rank, alpha] = [rankOf(name), alphaOf(name)];
    const [a, b] = [read(`${name}.lora_A`, [rank, inputs]), read(`${name}.lora_B`, [out, rank])];
    matrices.set(name, { a, b, in: inputs, out, rank, alpha, scale: scaleOf(rank, alpha, rslora) });
  }
  const unused = [...tensors.keys()].find((name) => !used.has(name));
  if (unused !== undefined) {
    if (/\.(lm_head|embed_tokens)\./.test(unused)) {
      throw new InputError(
        `${folder} has a matrix "${unused}": LoRA on embeddings and the output layer is not supported; ` +
          'merge the adapter into its model with PEFT.',
      );
    }
    throw new InputError(
      `${folder} has a matrix "${unused}", which its ${ADAPTER_CONFIG} or the model does not have: ` +
        "give the adapter's own model and configuration, or merge the adapter into its model with PEFT.",
    );
  }
  if (matrices.size === 0) throw new InputError(`${folder} holds no LoRA matrices.`);
  const adapted = [...matrices.keys()];
  const ends = layerEnds(layers).filter((end) => adapted.some((name) => isNamed(name, [end])));
  const complete = matrices.size === targetLayers(layers, ends).size;
  return {
    rank: usualRank,
    alpha: usualAlpha,
    rslora,
    targets: complete ? ends : adapted,
    ...(baseModel !== undefined && { baseModel }),
    matrices,
  };

  function read(matrix: string, shape: number[]): Float32Array {
    const name = `${PREFIX}${matrix}.weight`;
    const entry = tensors.get(name);
    if (!entry) {
      throw new InputError(
        `${folder} lacks the matrix "${name}", which its ${ADAPTER_CONFIG} asks for: use the complete adapter.`,
      );
    }
    if (entry.shape.join() !== shape.join()) {
      throw new InputError(
        `${folder} does not fit the model: "${name}" is [${entry.shape}], the model and ${ADAPTER_CONFIG} need [${shape}]; ` +
          "give the adapter's own base model.",
      );
    }
    used.add(name);
    return readTensorF32(entry);
  }
}

function openWeights(folder: string): Map<string, TensorEntry> {
  const file = join(folder, ADAPTER_WEIGHTS);
  if (exists(file)) return openSafetensors(file);
  const pickled = exists(join(folder, 'adapter_model.bin'));
  throw new InputError(
    pickled
      ? `${folder} has its matrices in adapter_model.bin, which is not supported: save the adapter with PEFT as ${ADAPTER_WEIGHTS}.`
      : `${folder} has no ${ADAPTER_WEIGHTS}: use the complete adapter.`,
  );
}

/** Writes an adapter as a PEFT folder. */
export function writeAdapter(folder: string, adapter: Adapter): void {
  mkdirSync(folder, { recursive: true });
  const { rank, alpha, rslora, targets, baseModel, matrices } = adapter;
  const others = (key: 'rank' | 'alpha', usual: number) =>
    Object.fromEntries([...matrices].filter(([, of]) => of[key] !== usual).map(([name, of]) => [name, of[key]]));
  const config = {
    alpha_pattern: others('alpha', alpha),
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: 0,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: others('rank', rank),
    target_modules: targets,
    task_type: 'CAUSAL_LM',
    use_rslora: rslora,
  };
  const tensors = [...matrices].flatMap(([name, { a, b, in: inputs, out, rank: r }]) => [
    { name: `${PREFIX}${name}.lora_A.weight`, dtype: 'F32' as const, shape: [r, inputs], data: a },
    { name: `${PREFIX}${name}.lora_B.weight`, dtype: 'F32' as const, shape: [out, r], data: b },
  ]);
  writeSafetensors(join(folder, ADAPTER_WEIGHTS), tensors, { format: 'pt' });
  writeFileSync(join(folder, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}
