/** LoRA adapters (arXiv 2106.09685) in PEFT's folder format. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { uniformStream } from '../random.ts';
import type { LoraSettings } from '../settings.ts';
import type { ModelConfig } from './config.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from './safetensors.ts';

/** The linear layers of one transformer layer, by their place in Hugging Face's names. */
export const projections = {
  q_proj: 'self_attn.q_proj',
  k_proj: 'self_attn.k_proj',
  v_proj: 'self_attn.v_proj',
  o_proj: 'self_attn.o_proj',
  gate_proj: 'mlp.gate_proj',
  up_proj: 'mlp.up_proj',
  down_proj: 'mlp.down_proj',
} as const;
export type Projection = keyof typeof projections;

/** [out, in] of a linear layer. */
export function linearShape(config: ModelConfig, projection: Projection): [number, number] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const shapes: Record<Projection, [number, number]> = {
    q_proj: [heads * headDim, hiddenSize],
    k_proj: [kvHeads * headDim, hiddenSize],
    v_proj: [kvHeads * headDim, hiddenSize],
    o_proj: [hiddenSize, heads * headDim],
    gate_proj: [intermediateSize, hiddenSize],
    up_proj: [intermediateSize, hiddenSize],
    down_proj: [hiddenSize, intermediateSize],
  };
  return shapes[projection];
}

/** W + scale b a: `a` [rank, in], `b` [out, rank]. */
export interface LoraMatrices {
  a: Float32Array;
  b: Float32Array;
  in: number;
  out: number;
}

export interface Adapter {
  rank: number;
  alpha: number;
  rslora: boolean;
  /** alpha / rank, or alpha / sqrt(rank) with rslora (arXiv 2312.03732). */
  scale: number;
  targets: Projection[];
  baseModel?: string;
  /** By layer, as in `model.layers.0.self_attn.q_proj`. */
  matrices: Map<string, LoraMatrices>;
}

const scaleOf = (rank: number, alpha: number, rslora: boolean) => alpha / (rslora ? Math.sqrt(rank) : rank);

/** Every linear layer that `targets` names: [name, out, in]. */
function targetLayers(config: ModelConfig, targets: Projection[]): [string, number, number][] {
  return Array.from({ length: config.layers }, (_, layer) => layer).flatMap((layer) =>
    (Object.keys(projections) as Projection[])
      .filter((projection) => targets.includes(projection))
      .map((projection): [string, number, number] => [
        `model.layers.${layer}.${projections[projection]}`,
        ...linearShape(config, projection),
      ]),
  );
}

/** An adapter that changes nothing yet: PEFT's initialization, A uniform in +-1/sqrt(in), B zero. */
export function freshAdapter(config: ModelConfig, settings: LoraSettings, seed: number): Adapter {
  const { rank, rslora, targets } = settings;
  const alpha = settings.alpha ?? 2 * rank;
  const matrices = new Map<string, LoraMatrices>();
  for (const [name, out, inputs] of targetLayers(config, targets)) {
    const next = uniformStream(seed, 'lora_A', name);
    const bound = 1 / Math.sqrt(inputs);
    const a = Float32Array.from({ length: rank * inputs }, () => (2 * next() - 1) * bound);
    matrices.set(name, { a, b: new Float32Array(out * rank), in: inputs, out });
  }
  return { rank, alpha, rslora, scale: scaleOf(rank, alpha, rslora), targets, matrices };
}

const WEIGHTS = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';
const PREFIX = 'base_model.model.';

const adapterSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().default(false),
  target_modules: z.union([z.string(), z.array(z.string())]),
  base_model_name_or_path: z.string().nullish(),
});

/** Settings of PEFT that would change the result and are not supported: the values that switch them off. */
const UNSUPPORTED: Record<string, (value: unknown) => boolean> = {
  bias: (value) => value === 'none',
  use_dora: (value) => !value,
  fan_in_fan_out: (value) => !value,
  modules_to_save: (value) => !(value as unknown[] | null)?.length,
  rank_pattern: (value) => Object.keys(value ?? {}).length === 0,
  alpha_pattern: (value) => Object.keys(value ?? {}).length === 0,
  layers_to_transform: (value) => value === null,
  lora_bias: (value) => !value,
  alora_invocation_tokens: (value) => !(value as unknown[] | null)?.length,
};

/** @throws InputError when the folder is incomplete, asks for something unsupported, or belongs to another model */
export function readAdapter(folder: string, config: ModelConfig): Adapter {
  const file = join(folder, CONFIG);
  if (!existsSync(file)) throw new InputError(`${folder} is no PEFT adapter: it has no ${CONFIG}.`);
  const raw = readConfig(file);
  for (const [key, isOff] of Object.entries(UNSUPPORTED)) {
    if (key in raw && !isOff(raw[key])) throw new InputError(`${file}: "${key}" is not supported; merge this adapter into its model with PEFT.`); // prettier-ignore
  }
  const tensors = openSafetensors(join(folder, WEIGHTS));
  const matrices = new Map<string, LoraMatrices>();
  const taken = new Set<string>();
  const all = targetLayers(config, Object.keys(projections) as Projection[]);
  for (const [name, out, inputs] of all) {
    const [aName, bName] = ['A', 'B'].map((part) => `${PREFIX}${name}.lora_${part}.weight`);
    if (!tensors.has(aName) && !tensors.has(bName)) continue;
    const [a, b] = [read(aName, [raw.r, inputs]), read(bName, [out, raw.r])];
    matrices.set(name, { a, b, in: inputs, out });
  }
  for (const name of tensors.keys()) {
    if (!taken.has(name)) throw new InputError(`${folder} does not fit the model: it has a matrix "${name}", which the model has no place for.`); // prettier-ignore
  }
  if (matrices.size === 0) throw new InputError(`${folder} holds no LoRA matrices.`);
  const targets = (Object.keys(projections) as Projection[]).filter((projection) =>
    [...matrices.keys()].some((name) => name.endsWith(`.${projection}`)),
  );
  const expected = targetLayers(config, targets);
  const missing = expected.find(([name]) => !matrices.has(name));
  if (missing) throw new InputError(`${folder} does not fit the model: it has no matrices for "${missing[0]}".`);
  const { r: rank, lora_alpha: alpha, use_rslora: rslora, base_model_name_or_path: base } = raw;
  return {
    rank,
    alpha,
    rslora,
    scale: scaleOf(rank, alpha, rslora),
    targets,
    ...(base && { baseModel: base }),
    matrices,
  };

  function read(name: string, shape: number[]): Float32Array {
    const entry = tensors.get(name);
    if (!entry) throw new InputError(`${folder} lacks the matrix "${name}": use the complete adapter.`);
    if (entry.shape.join() !== shape.join()) {
      throw new InputError(
        `${folder} does not fit the model: "${name}" is [${entry.shape}], the model needs [${shape}]; give the adapter's own base model.`,
      );
    }
    taken.add(name);
    return readTensorF32(entry);
  }
}

function readConfig(file: string): z.infer<typeof adapterSchema> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new InputError(`${file} is not JSON (${(error as Error).message}).`);
  }
  const parsed = adapterSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new InputError(`${file}: "${path.join('.')}" is wrong (${message}); only LoRA adapters are supported.`);
}

/** Writes a folder that PEFT loads. */
export function writeAdapter(folder: string, adapter: Adapter): void {
  mkdirSync(folder, { recursive: true });
  const { rank, alpha, rslora, targets, baseModel, matrices } = adapter;
  const config = {
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: 0,
    peft_type: 'LORA',
    r: rank,
    target_modules: targets,
    task_type: 'CAUSAL_LM',
    use_rslora: rslora,
  };
  const tensors = [...matrices].flatMap(([name, { a, b, in: inputs, out }]) => [
    { name: `${PREFIX}${name}.lora_A.weight`, dtype: 'F32' as const, shape: [rank, inputs], data: a },
    { name: `${PREFIX}${name}.lora_B.weight`, dtype: 'F32' as const, shape: [out, rank], data: b },
  ]);
  writeSafetensors(join(folder, WEIGHTS), tensors, { format: 'pt' });
  writeFileSync(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}
