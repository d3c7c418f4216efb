/** Reads the configuration of a run, and of a labeler, from YAML files. */
import { dirname } from 'node:path';
import { isPolicyName } from '../artifacts/names.ts';
import { InputError } from '../data/errors.ts';
import { threadsPerRank } from '../engine/process/threads.ts';
import { readChatTemplate } from '../engine/tokenizer/chat-template-settings.ts';
import { locateLabeler, roundLabelSchema, type RoundLabelSettings } from '../labelers/index.ts';
import { withSettings, type Settings } from './changes.ts';
import { samplesByVllm, withComputeDefaults } from './compute.ts';
import { locateFrom, locateSections } from './locate.ts';
import { sharedWithOutput } from './output-folder.ts';
import { describeProblem } from './problem.ts';
import { runSchema, type RunConfig } from './run.ts';
import { readSections } from './yaml-file.ts';

/**
 * Reads a run's YAML file. Paths in it are relative to the file. A text that has the form of a hub id is a path if that
 * path exists, else a hub id.
 * @param settings replace those of the file
 * @throws InputError that names the file and the key
 */
export function loadConfig(file: string, settings: Settings = {}): RunConfig {
  const document = withSettings(readSections(file, "a run's"), settings);
  const config = readConfig(file, document, dirname(file));
  checkLora(file, document, config);
  return config;
}

/** @throws InputError when settings of a new LoRA adapter are given, but training makes none */
function checkLora(file: string, document: object, { adapter, optimize: { full } }: RunConfig): void {
  const { optimize } = document as { optimize?: { lora?: unknown } | null };
  if (optimize?.lora === undefined || (adapter === undefined && !full)) return;
  const why = full ? 'optimize.full trains all weights' : `training continues the adapter ${adapter} as it is`;
  throw new InputError(`${file}: "optimize.lora" is for a new LoRA adapter, but ${why}: remove one of the two.`);
}

/**
 * Reads a run's configuration. Paths in it are relative to `folder`.
 * @param source names the configuration in errors
 * @param locate locates what it names, except the chat template, whose text is read here
 * @throws InputError that names the source and the key
 */
export function readConfig(source: string, document: object, folder: string, locate = locateFrom(folder)): RunConfig {
  const parsed = runSchema.safeParse(document);
  if (!parsed.success) throw new InputError(`${source}: ${describeProblem(runSchema, document, parsed.error)}`);

  const { model, adapter, chatTemplate, prompts, output, ...others } = parsed.data;
  const { threads: given, backend, device, gpus, ...rest } = others;
  const compute = withComputeDefaults({ backend, device, gpus });
  const threads = given ?? threadsPerRank(compute);
  const sample = { ...rest.sample, ...(samplesByVllm(compute, rest.sample) && { backend: 'vllm' as const }) };
  if (sample.vllm && sample.backend !== 'vllm') {
    throw new InputError(
      `${source}: "sample.vllm" has an effect with sample.backend: vllm only: set that, or remove this setting.`,
    );
  }
  const { train, heldOut } = prompts;
  const config: RunConfig = {
    ...locateSections({ ...rest, sample }, locate),
    threads,
    ...compute,
    model: locate.model(model),
    ...(adapter !== undefined && { adapter: locate.pathOrId(adapter, isPolicyName) }),
    ...(chatTemplate && { chatTemplate: withText(chatTemplate, locateFrom(folder).path) }),
    prompts: {
      ...prompts,
      train: locate.dataset(train),
      heldOut: typeof heldOut === 'string' ? locate.dataset(heldOut) : heldOut,
    },
    ...(output !== undefined && { output: locate.path(output) }),
  };
  checkOutput(source, config);
  return config;
}

/** @throws InputError when the run would replace what it reads */
function checkOutput(source: string, { output, model, adapter, prompts: { train, heldOut } }: RunConfig): void {
  if (output === undefined) return;
  const shared = sharedWithOutput(output, [model, adapter, train, typeof heldOut === 'string' ? heldOut : undefined]);
  if (shared !== undefined)
    throw new InputError(
      `${source}: "output" is ${output}, which a run replaces, and the run reads ${shared}; configure another output folder.`,
    );
}

/** Replaces the template's file by its text, since workers on other machines do not have the file. */
function withText({ file, ...settings }: NonNullable<RunConfig['chatTemplate']>, path: (given: string) => string) {
  return { ...settings, ...(file !== undefined && { template: readChatTemplate(path(file)) }) };
}

/**
 * Reads a labeler's settings.
 * @param file has the keys of the section `label` of a run; paths in it are relative to it
 * @param given settings from outside the file: the labeler's name if the file does not have it, or all of them
 * @throws InputError that names the file or the labeler, and the key
 */
export function readLabelSettings(file: string | undefined, given: { by?: string }): RoundLabelSettings {
  const document = { ...(file !== undefined && readSections(file, "a labeler's")), ...given };
  const parsed = roundLabelSchema.safeParse(document);
  if (!parsed.success) {
    const problem = describeProblem(roundLabelSchema, document, parsed.error);
    if (file !== undefined) throw new InputError(`${file}: ${problem}`);
    throw new InputError(
      `--by ${given.by}: ${problem.replace(/\.$/, '')}. --label-config FILE gives all settings of a labeler.`,
    );
  }
  return locateLabeler(parsed.data, locateFrom(file === undefined ? '.' : dirname(file)));
}
