/** Policies as artifacts: a reference to the base model, and the trained weights. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { copyModel, type CopyOptions } from '../artifacts/copy-model.ts';
import { fetchOutline, modelFolder } from '../artifacts/models.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { exists } from '../data/file-errors.ts';
import { parseModelId } from '../data/hub/ids.ts';
import { isOnHub, pinnedId, resolveModel } from '../data/hub/models.ts';
import type { CallOptions, Policy, ChatTemplateSettings } from '../engine/protocol/jobs.ts';
import { withTemplateOf } from '../engine/tokenizer/template-files.ts';
import { ADAPTER_CONFIG, withHubBase } from '../engine/model-files/adapter-config.ts';
import { fingerprintFrom, fingerprintOf } from '../engine/model-files/fingerprint.ts';
import { layersOf, targetLayers } from '../engine/model-files/linear-layers.ts';
import type { BackendName } from '../engine/protocol/compute.ts';
import type { LoraSettings } from '../engine/protocol/settings.ts';
import { openLlamaPolicy, openPolicyFiles } from '../engine/tokens/policy.ts';
import { defineStep, type StepContext, type StepResult } from './step.ts';
import type { StepFolder } from './step-folder.ts';

/** A reference to the base model. The model is too large to copy into every artifact. */
export interface BaseModel {
  /** A folder, or a hub id with its commit. */
  source: string;
  /** A hash of all files of the model. */
  fingerprint: string;
  /** A chat template in place of the base model's, or arguments of the template. */
  chatTemplate?: ChatTemplateSettings;
}

const BASE = 'base.json';
/** The folder of a PEFT adapter in a policy's artifact. */
export const ADAPTER = 'adapter';
/** The folder of a whole model in a policy's artifact. It replaces the base model. */
export const MODEL = 'model';

/** importPolicy: stores the policy that a run starts from as an artifact. */
export const storeImported = defineStep({
  name: 'import-policy',
  kind: 'policy',
  reproducible: false,
  recipe: async ({ base, adapter }: { base: BaseModel; adapter?: string }) => ({
    parameters: { base, adapter: adapter === undefined ? null : await fingerprintOf(adapter) },
    inputs: {},
    seed: 0,
  }),
  run: async (_recipe, { input: { base, adapter }, folder }) => {
    await writeBase(folder, base);
    if (adapter !== undefined) await folder.copy(adapter, ADAPTER);
    return {};
  },
});

/** What a run will do with a policy. */
export interface PolicyUse {
  /** That trains it. Default: onnx. */
  backend?: BackendName;
  /** Whether vLLM or a server samples its responses, not ONNX Runtime. */
  isServed?: boolean;
  /** The settings of the adapter that it gets, if it has none and not all weights are trained. */
  lora?: LoraSettings;
}

/**
 * Imports a policy. It is opened once, so that an error in its files is reported before anything is computed. A model of the hub is
 * copied into a store that has `models`.
 * @param model a folder or a hub id
 * @param adapter a PEFT adapter folder
 * @throws InputError when model or adapter are missing, damaged or do not fit each other, or the model cannot be used so
 */
export async function importPolicy(
  context: StepContext,
  model: string,
  adapter: string | undefined,
  settings?: ChatTemplateSettings,
  use: PolicyUse = {},
  options: CallOptions = {},
): Promise<StepResult<object>> {
  const chatTemplate = withTemplateOf(adapter, settings);
  const base = await withModel(context, model, options, (folder) => {
    const { backend = 'onnx', isServed = false, lora } = use;
    const open = backend === 'torch' && isServed ? openPolicyFiles : openLlamaPolicy;
    const opened = open({
      model: folder,
      ...(adapter !== undefined && { adapter }),
      ...(chatTemplate && { chatTemplate }),
    });
    opened.tokenizer();
    if (lora && !opened.adapter) targetLayers(layersOf(opened.model), lora.targets);
  });
  const named: BaseModel = { ...base, ...(chatTemplate && { chatTemplate }) };
  return storeImported(context, { base: named, ...(adapter !== undefined && { adapter }) }, {});
}

/**
 * Checks a model, which `check` gets as a folder, and identifies it. Of a copy in the store, the folder has no weights but their headers:
 * this machine may have no disk for them.
 */
async function withModel(
  { store: { models }, cacheFolder }: StepContext,
  model: string,
  options: CallOptions,
  check: (folder: string) => void,
): Promise<BaseModel> {
  if (!models || !isOnHub(model)) {
    const folder = await resolveModel(model);
    check(folder);
    return {
      source: existsSync(model) ? resolve(model) : pinnedId(model, folder),
      fingerprint: await fingerprintOf(folder),
    };
  }
  const copy = await copyModel(models, model, undefined, copyOptions(options));
  await mkdir(cacheFolder, { recursive: true });
  const outline = await mkdtemp(join(cacheFolder, 'outline-'));
  try {
    await fetchOutline(models, copy, outline);
    check(outline);
  } finally {
    await rm(outline, { recursive: true });
  }
  return { source: copy.id, fingerprint: fingerprintFrom(copy.files) };
}

/** Reports a copy's progress in megabytes. */
export const copyOptions = ({ signal, onProgress }: CallOptions): CopyOptions => ({
  signal,
  onBytes: (done, total) =>
    onProgress?.({ done: Math.floor(done / 1e6), total: Math.ceil(total / 1e6), unit: 'MB', tokens: 0 }),
});

/** Writes the reference to the base model into a policy's artifact folder. */
export const writeBase = (folder: StepFolder, base: BaseModel) => folder.writeText(BASE, JSON.stringify(base));

/** Writes the base model's hub id into the PEFT configuration of a policy's adapter. The engine writes a local folder there. */
export async function nameBase(folder: StepFolder, { source }: BaseModel): Promise<void> {
  const id = parseModelId(source);
  if (!id) return;
  const file = join(ADAPTER, ADAPTER_CONFIG);
  await folder.writeText(file, withHubBase(await folder.readText(file), id));
}

/**
 * Checks that a base model in a folder is the one that the policy was imported with: its files are not in the store. A hub id names
 * a commit, whose files do not change.
 * @throws InputError when a file has changed
 */
export async function checkBase({ source, fingerprint }: BaseModel): Promise<void> {
  if (isOnHub(source)) return;
  if ((await fingerprintOf(source)) === fingerprint) return;
  throw new InputError(
    `The files of the model ${source} have changed since the run began: restore them, or start a run of another name for the new ones.`,
  );
}

/** The reference to the base model in a policy's artifact. The model's files are not read. */
export const readBase = async (store: ArtifactStore, address: Address): Promise<BaseModel> =>
  JSON.parse(await store.readText(address, BASE)) as BaseModel;

/**
 * Opens a policy's artifact.
 * @param wanted which files of a model in the store or on the hub are there for sure. Default: all files that the engine needs
 * @returns the folders that the engine opens
 * @throws InputError when the files of a base model in a folder have changed
 */
export async function openPolicyArtifact(
  store: ArtifactStore,
  address: Address,
  wanted?: RegExp,
): Promise<{ policy: Policy; base: BaseModel }> {
  const needed = (path: string) => !path.startsWith(`${MODEL}/`) || wanted!.test(path.slice(MODEL.length + 1));
  const folder = wanted ? await store.openFiles(address, needed) : await store.open(address);
  const base = await readBase(store, address);
  const { chatTemplate } = base;
  const [model, adapter] = [join(folder, MODEL), join(folder, ADAPTER)];
  if (exists(model)) return { policy: { model, ...(chatTemplate && { chatTemplate }) }, base };
  const files = {
    model: await modelFolder(store.models, base.source, wanted && { needed: wanted }),
    ...(exists(adapter) && { adapter }),
  };
  await checkBase(base);
  return { policy: { ...files, ...(chatTemplate && { chatTemplate }) }, base };
}
