/** The chat templates of a model's folder: separate files, or a field with one or several. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { ADDITIONAL_TEMPLATES } from '../../data/model-files.ts';
import { findJson, readText } from '../model-files/json-file.ts';
import type { ChatTemplateSettings, Policy } from '../protocol/jobs.ts';

/** A template's text, and where it is from, for messages: `of FILE`. */
export interface TemplateSource {
  source: string;
  origin: string;
}

const fromFile = (file: string, source = readText(file)): TemplateSource => ({ source, origin: `of ${file}` });

/** File with the chat template of a model's folder, and of an adapter's. */
const CHAT_TEMPLATE = 'chat_template.jinja';
/** The template of prompts with tools. */
const TOOL_TEMPLATE = `${ADDITIONAL_TEMPLATES}/tool_use.jinja`;

/** The files with templates of an adapter's folder, beside tokenizer_config.json. */
export const TEMPLATE_FILES = [CHAT_TEMPLATE, TOOL_TEMPLATE, 'chat_template.json'];

const fieldSchema = z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish();

/**
 * The chat templates by name, one of them `default`; undefined if the folder has none.
 * @param config content of tokenizer_config.json
 * @throws InputError when a file has something else than templates
 */
export function readTemplates(
  folder: string,
  config: Record<string, unknown>,
): Record<string, TemplateSource> | undefined {
  const own = join(folder, CHAT_TEMPLATE);
  if (exists(own)) return { ...additionalTemplates(folder), default: fromFile(own) };
  const field = 'chat_template';
  const inConfig = (config[field] ?? undefined) !== undefined;
  const file = join(folder, inConfig ? 'tokenizer_config.json' : 'chat_template.json');
  const { success, data } = fieldSchema.safeParse(inConfig ? config[field] : findJson(file)?.[field]);
  if (!success)
    throw new InputError(
      `${file}: "${field}" is neither a template nor a list of {name, template}: download it again.`,
    );
  if (typeof data === 'string') return { default: fromFile(file, data) };
  if (!data || data.length === 0) return undefined;
  const all = data.map(({ name, template }): [string, TemplateSource] => [name, fromFile(file, template)]);
  return { default: all[0][1], ...Object.fromEntries(all) };
}

/**
 * The settings, with the templates of the adapter's folder if they have none. TRL and selm write templates there; older versions of TRL
 * write them into tokenizer_config.json. transformers uses them for the adapter, too.
 */
export function withTemplateOf(
  adapter: string | undefined,
  settings?: ChatTemplateSettings,
): ChatTemplateSettings | undefined {
  if (adapter === undefined || settings?.template !== undefined) return settings;
  const own = templatesOf(adapter);
  if (!own) return settings;
  const { default: template, tool_use: toolTemplate } = own;
  return { ...settings, template: template.source, ...(toolTemplate && { toolTemplate: toolTemplate.source }) };
}

const templatesOf = (folder: string) => readTemplates(folder, findJson(join(folder, 'tokenizer_config.json')) ?? {});

/**
 * The template files of a trained policy's folder, by their paths: the policy's templates, with the settings' arguments as defaults of the
 * templates' variables. None if the policy uses its model's templates unchanged.
 */
export function ownTemplates(
  folder: string,
  { template, toolTemplate, arguments: given = {} }: ChatTemplateSettings = {},
): Record<string, string> {
  const defaults = Object.entries(given).filter(([name]) => IDENTIFIER.test(name));
  if (template === undefined && defaults.length === 0) return {};
  // A block and the newline after it write nothing.
  const prefix = defaults
    .map(([name, value]) => `{% set ${name} = ${name} if ${name} is defined else ${literal(value)} %}\n`)
    .join('');
  const models = template === undefined ? templatesOf(folder) : undefined;
  const sources = [
    [CHAT_TEMPLATE, template ?? models?.['default'].source],
    [TOOL_TEMPLATE, toolTemplate ?? models?.['tool_use']?.source],
  ] as const;
  return Object.fromEntries(
    sources.flatMap(([path, source]) => {
      if (source === undefined) return [];
      // A model whose weights were trained has the prefix already.
      return [[path, source.startsWith(prefix) ? source : prefix + source]];
    }),
  );
}

const IDENTIFIER = /^[A-Za-z_]\w*$/;

/** A JSON value as a Jinja literal. */
function literal(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${literal(inner)}`)
    .join(', ')}}`;
}

/** Templates in addition to the default one, in transformers' layout. */
function additionalTemplates(folder: string): Record<string, TemplateSource> {
  const inside = join(folder, ADDITIONAL_TEMPLATES);
  const files = exists(inside) ? readdirSync(inside).filter((name) => name.endsWith('.jinja')) : [];
  return Object.fromEntries(files.map((name) => [basename(name, '.jinja'), fromFile(join(inside, name))]));
}

/**
 * Writes the policy's chat templates into its folder, if it has some that are not its model's. They replace templates that were copied
 * from the model.
 */
export function writeTemplates(folder: string, { model, chatTemplate }: Policy): void {
  const own = Object.entries(ownTemplates(model, chatTemplate));
  if (own.length === 0) return;
  rmSync(join(folder, TOOL_TEMPLATE), { force: true });
  for (const [path, template] of own) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), template);
  }
}
