/** PEFT's adapter_config.json: which layers have LoRA matrices, and their rank and scale. Other settings that have an effect are errors. */
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import type { ModelId } from '../../data/hub/ids.ts';
import { TimeLimitReached, withinTime } from '../../data/time-limit.ts';
import { readJson } from './json-file.ts';
import { isNamed } from './linear-layers.ts';
import { fullmatchPattern } from './python-pattern.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

const names = z.union([z.string(), z.array(z.string())]);
const pattern = z.record(z.string(), z.number().positive());

const adapterSchema = z.looseObject({
  peft_type: z.string(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().default(false),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  target_modules: names,
  exclude_modules: names.nullish(),
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  layers_pattern: names.nullish(),
  rank_pattern: pattern.nullish(),
  alpha_pattern: pattern.nullish(),
  base_model_name_or_path: z.string().nullish(),
});
type RawConfig = z.infer<typeof adapterSchema>;

/** An adapter_config.json with a model of the hub as its base, which PEFT downloads. @param text of the file */
export function withHubBase(text: string, { name, revision }: ModelId): string {
  const config = JSON.parse(text) as object;
  return `${JSON.stringify({ ...config, base_model_name_or_path: name, revision }, null, 2)}\n`;
}

/** What an adapter_config.json says about the adapter's matrices. */
export interface AdapterConfig {
  rank: number;
  alpha: number;
  rslora: boolean;
  baseModel?: string;
  /** Whether it has a rank_pattern or an alpha_pattern: layers may differ in rank or scale. */
  patterned: boolean;
  /** Whether a linear layer has LoRA matrices. @param layer its name in the model */
  isTarget(layer: string): boolean;
  rankOf(layer: string): number;
  alphaOf(layer: string): number;
}

/** Unsupported settings that change what the adapter computes. Allowed values: null, false, empty, or the one given here. */
const UNSUPPORTED: Record<string, string | undefined> = {
  bias: 'none',
  use_dora: undefined,
  lora_bias: undefined,
  fan_in_fan_out: undefined,
  modules_to_save: undefined,
  target_parameters: undefined,
  trainable_token_indices: undefined,
  alora_invocation_tokens: undefined,
  layer_replication: undefined,
  megatron_config: undefined,
  use_qalora: undefined,
  use_bdlora: undefined,
  arrow_config: undefined,
  kasa_config: undefined,
  monteclora_config: undefined,
};

/** Settings of how the adapter was trained, and settings that belong to one of those above. */
const WITHOUT_EFFECT = new Set([
  'auto_mapping',
  'corda_config',
  'ensure_weight_tying',
  'eva_config',
  'inference_mode',
  'loftq_config',
  'lora_dropout',
  'lora_ga_config',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
  'velora_config',
]);

/** Initializations that do not change the base model's weights. */
const PLAIN_INITIALIZATIONS = ['gaussian', 'eva', 'orthogonal', 'mica'];
/** Initializations that change the base model's weights, and that PEFT can convert back when it saves the adapter. */
const CONVERTIBLE = /^(pissa|corda|olora|lora_ga)/i;

const isOff = (value: unknown) => !value || (typeof value === 'object' && Object.keys(value).length === 0);

/**
 * Reads the adapter_config.json of a PEFT adapter's folder.
 * @throws InputError when the file is missing or damaged, or has an unsupported setting
 */
export function readAdapterConfig(folder: string): AdapterConfig {
  const file = join(folder, ADAPTER_CONFIG);
  if (!exists(file)) throw new InputError(`${folder} is no PEFT adapter: it has no ${ADAPTER_CONFIG}.`);
  const raw = parse(file);
  checkInitialization(file, raw.init_lora_weights);
  for (const [key, value] of Object.entries(raw)) {
    if (key in adapterSchema.shape || WITHOUT_EFFECT.has(key) || isOff(value) || value === UNSUPPORTED[key]) continue;
    const remove = key in UNSUPPORTED ? '' : 'remove it if it has no effect, or ';
    throw new InputError(`${file}: "${key}" is not supported; ${remove}merge this adapter into its model with PEFT.`);
  }
  const { r, lora_alpha, use_rslora: rslora, base_model_name_or_path: base } = raw;
  const matcher = patternMatcher(file);
  const valueOf = (layer: string, patterns: Record<string, number> | null | undefined, otherwise: number) => {
    // The first key that matches, as in PEFT's get_pattern_key().
    const key = Object.keys(patterns ?? {}).find((key) => matcher(`(.*\\.)?(${key})`, layer));
    return key === undefined ? otherwise : patterns![key];
  };
  return {
    rank: r,
    alpha: lora_alpha,
    rslora,
    ...(base && { baseModel: base }),
    patterned: !isOff(raw.rank_pattern) || !isOff(raw.alpha_pattern),
    isTarget: (layer) => isTarget(raw, layer, matcher),
    rankOf: (layer) => valueOf(layer, raw.rank_pattern, r),
    alphaOf: (layer) => valueOf(layer, raw.alpha_pattern, lora_alpha),
  };
}

function checkInitialization(file: string, init: RawConfig['init_lora_weights']): void {
  if (typeof init !== 'string' || PLAIN_INITIALIZATIONS.includes(init.toLowerCase())) return;
  const convert =
    'convert it to plain LoRA with PEFT (save_pretrained with path_initial_model_for_weight_conversion), or ';
  throw new InputError(
    `${file}: an adapter with init_lora_weights "${init}" belongs on base weights that its initialization has changed, ` +
      `not on the model's: ${CONVERTIBLE.test(init) ? convert : ''}merge it into its model with PEFT.`,
  );
}

type Matcher = (pattern: string, name: string) => boolean;

/** Python's re.fullmatch(). */
const patternMatcher =
  (file: string): Matcher =>
  (source, name) => {
    try {
      const pattern = fullmatchPattern(source);
      return withinTime(() => pattern.test(name));
    } catch (error) {
      const why = error instanceof TimeLimitReached ? error.message : 'cannot be read';
      throw new InputError(`${file}: the pattern ${JSON.stringify(source)} ${why}: name the layers instead.`);
    }
  };

/** PEFT's check_target_module_exists(). */
function isTarget(raw: RawConfig, layer: string, matches: Matcher): boolean {
  const { target_modules: targets, exclude_modules: excluded, layers_to_transform: only, layers_pattern } = raw;
  if (excluded && (typeof excluded === 'string' ? matches(excluded, layer) : isNamed(layer, excluded))) return false;
  if (typeof targets === 'string') return targets.toLowerCase() === 'all-linear' || matches(targets, layer);
  if (targets.includes(layer)) return true;
  const indices = [only ?? []].flat();
  if (indices.length === 0) return isNamed(layer, targets);
  const patterns = [layers_pattern ?? []].flat();
  // The last number with a module of such a name before it, as in PEFT's regular expression.
  const numbered = [...layer.matchAll(/(?<=\.)([^.]+)\.(\d+)(?=\.)/g)];
  const block = numbered.findLast(([, module]) => patterns.length === 0 || patterns.includes(module));
  return isNamed(layer, targets) && block !== undefined && indices.includes(Number(block[2]));
}

function parse(file: string): RawConfig {
  const json = readJson(file);
  const { peft_type: type } = json;
  if (type !== undefined && type !== 'LORA') {
    throw new InputError(`${file}: "peft_type" is ${JSON.stringify(type)}, which is not supported: only LORA is.`);
  }
  const parsed = adapterSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new InputError(`${file}: "${path.join('.')}" is wrong (${message}); only LoRA adapters are supported.`);
}
