/** The chat templates of a model's folder: separate files, or a field with one or several. */
import { readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { CHAT_TEMPLATE } from './chat-template-settings.ts';
import { findJson, readText } from '../model-files/json-file.ts';
import type { ChatTemplateSettings, Policy } from '../protocol/jobs.ts';

/** A template's text, and the file that it is from. */
export interface TemplateSource {
  source: string;
  file: string;
}

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
  if (exists(own)) return { ...additionalTemplates(folder), default: { source: readText(own), file: own } };
  const field = 'chat_template';
  const inConfig = (config[field] ?? undefined) !== undefined;
  const file = join(folder, inConfig ? 'tokenizer_config.json' : 'chat_template.json');
  const { success, data } = fieldSchema.safeParse(inConfig ? config[field] : findJson(file)?.[field]);
  if (!success)
    throw new InputError(
      `${file}: "${field}" is neither a template nor a list of {name, template}: download it again.`,
    );
  if (typeof data === 'string') return { default: { source: data, file } };
  if (!data || data.length === 0) return undefined;
  const all = data.map(({ name, template }): [string, TemplateSource] => [name, { source: template, file }]);
  return { default: all[0][1], ...Object.fromEntries(all) };
}

/**
 * The template that a trained policy's folder gets, with the settings' arguments as defaults of the template's variables. Undefined if the
 * policy uses its model's template unchanged, or if the model has several templates, which an adapter cannot have.
 */
export function ownTemplate(
  folder: string,
  { template, arguments: given = {} }: ChatTemplateSettings = {},
): string | undefined {
  const defaults = Object.entries(given).filter(([name]) => IDENTIFIER.test(name));
  if (template === undefined && defaults.length === 0) return undefined;
  const sources =
    template === undefined ? readTemplates(folder, findJson(join(folder, 'tokenizer_config.json')) ?? {}) : undefined;
  const texts =
    template === undefined ? [...new Set(Object.values(sources ?? {}).map(({ source }) => source))] : [template];
  if (texts.length !== 1) return undefined;
  // A block and the newline after it write nothing.
  const prefix = defaults
    .map(([name, value]) => `{% set ${name} = ${name} if ${name} is defined else ${literal(value)} %}\n`)
    .join('');
  // A model whose weights were trained has the prefix already.
  return texts[0].startsWith(prefix) ? texts[0] : prefix + texts[0];
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
  const inside = join(folder, 'additional_chat_templates');
  const files = exists(inside) ? readdirSync(inside).filter((name) => name.endsWith('.jinja')) : [];
  return Object.fromEntries(
    files.map((name) => [basename(name, '.jinja'), { source: readText(join(inside, name)), file: join(inside, name) }]),
  );
}

/** Writes the policy's chat template into its folder, if the policy has one that is not its model's. */
export function writeTemplate(folder: string, { model, chatTemplate }: Policy): void {
  const template = ownTemplate(model, chatTemplate);
  if (template !== undefined) writeFileSync(join(folder, CHAT_TEMPLATE), template);
}
