/** Policies as artifacts: a base model by reference, and what was trained of it. */
import { existsSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { exists } from '../data/file-errors.ts';
import { isModelId } from '../data/hub-ids.ts';
import { pinnedId, resolveModel } from '../data/hub.ts';
import type { Policy } from '../engine/protocol/jobs.ts';
import { withTemplateOf, type ChatTemplateSettings } from '../engine/tokenizer/chat-template-settings.ts';
import { fingerprintOf } from '../engine/model-files/fingerprint.ts';
import { openPolicy } from '../engine/onnx/policy.ts';
import { runStep, type Rooms, type StepResult } from './step.ts';

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

/**
 * The policy that a run starts from, as an artifact. All of it is opened once, so that what is wrong with it is said before
 * anything is computed.
 * @throws InputError when model or adapter are missing, damaged or do not fit each other
 */
export async function importPolicy(
  rooms: Rooms,
  model: string,
  adapter: string | undefined,
  settings?: ChatTemplateSettings,
): Promise<StepResult<Record<string, never>>> {
  const folder = await resolveModel(model);
  const chatTemplate = withTemplateOf(adapter, settings);
  openPolicy({
    model: folder,
    ...(adapter !== undefined && { adapter }),
    ...(chatTemplate && { chatTemplate }),
  }).tokenizer();
  const base: BaseModel = {
    source: existsSync(model) ? resolve(model) : pinnedId(model, folder),
    fingerprint: await fingerprintOf(folder),
    ...(chatTemplate && { chatTemplate }),
  };
  const parameters = { base, adapter: adapter === undefined ? null : await fingerprintOf(adapter) };
  return runStep(rooms, 'policy', { step: 'import-policy', parameters, inputs: {}, seed: 0 }, async (target) => {
    await writeBase(target, base);
    if (adapter !== undefined) await cp(adapter, join(target, ADAPTER), { recursive: true });
    return {};
  });
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
