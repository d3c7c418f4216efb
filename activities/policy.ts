/** Policies as artifacts: a base model by reference, and what was trained of it. */
import { existsSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { exists } from '../data/file-errors.ts';
import { isModelId } from '../data/hub-ids.ts';
import { pinnedId, resolveModel } from '../data/hub.ts';
import type { Policy, ChatTemplateSettings } from '../engine/protocol/jobs.ts';
import { withTemplateOf } from '../engine/tokenizer/chat-template-settings.ts';
import { fingerprintOf } from '../engine/model-files/fingerprint.ts';
import { openPolicyFiles } from '../engine/tokens/policy.ts';
import { defineStep, type StepContext, type StepResult } from './step.ts';

/** The base model: too large to copy into every artifact, so named, with a hash of all its files. */
export interface BaseModel {
  /** A folder, or a hub id with its commit. */
  source: string;
  fingerprint: string;
  /** In place of the base's own, or its arguments. */
  chatTemplate?: ChatTemplateSettings;
}

const BASE = 'base.json';
/** Folders of a policy's artifact: a PEFT adapter over the base, or a whole model in its place. */
export const ADAPTER = 'adapter';
export const MODEL = 'model';

/** What of a model is read where it is not run. */
export const TOKENIZER_FILES = /^[^/]+\.(json|jinja|model|txt)$/;

/** The policy that a run starts from, as an artifact. */
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
    if (adapter !== undefined) await cp(adapter, join(folder, ADAPTER), { recursive: true });
    return {};
  },
});

/**
 * Imports a policy. It is opened once, so that an error in its files is reported before anything is computed.
 * @param model a folder or a hub id
 * @param adapter a PEFT adapter folder
 * @throws InputError when model or adapter are missing, damaged or do not fit each other
 */
export async function importPolicy(
  context: StepContext,
  model: string,
  adapter: string | undefined,
  settings?: ChatTemplateSettings,
): Promise<StepResult<object>> {
  const folder = await resolveModel(model);
  const chatTemplate = withTemplateOf(adapter, settings);
  openPolicyFiles({
    model: folder,
    ...(adapter !== undefined && { adapter }),
    ...(chatTemplate && { chatTemplate }),
  }).tokenizer();
  const base: BaseModel = {
    source: existsSync(model) ? resolve(model) : pinnedId(model, folder),
    fingerprint: await fingerprintOf(folder),
    ...(chatTemplate && { chatTemplate }),
  };
  return storeImported(context, { base, ...(adapter !== undefined && { adapter }) }, {});
}

export const writeBase = (folder: string, base: BaseModel) => writeFile(join(folder, BASE), JSON.stringify(base));

/** Names the base in an adapter's PEFT configuration by its hub id: the engine knows only where this machine keeps it. */
export async function nameBase(adapter: string, { source }: BaseModel): Promise<void> {
  if (!isModelId(source)) return;
  const file = join(adapter, 'adapter_config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as object;
  const [base_model_name_or_path, revision] = source.split('@');
  await writeFile(file, `${JSON.stringify({ ...config, base_model_name_or_path, revision }, null, 2)}\n`);
}

/** A policy's artifact as the folders the engine opens. @param wanted which files of the base model, of one on the hub */
export async function openPolicyArtifact(
  store: ArtifactStore,
  address: Address,
  wanted?: RegExp,
): Promise<{ policy: Policy; base: BaseModel }> {
  const folder = await store.open(address);
  const base = JSON.parse(await readFile(join(folder, BASE), 'utf8')) as BaseModel;
  const { chatTemplate } = base;
  const [model, adapter] = [join(folder, MODEL), join(folder, ADAPTER)];
  const files = exists(model)
    ? { model }
    : { model: await resolveModel(base.source, wanted), ...(exists(adapter) && { adapter }) };
  return { policy: { ...files, ...(chatTemplate && { chatTemplate }) }, base };
}
