/** The judge's prompt templates: the published ones of MT-Bench, or the user's own. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { readFailure } from '../../data/file-errors.ts';
import type { Message } from '../../data/records.ts';
import { parseYaml } from '../../data/yaml.ts';

const templateSchema = z.looseObject({ system_prompt: z.string().default(''), prompt_template: z.string().min(1) });

/** A template in MT-Bench's format: names in braces are placeholders. */
export type Template = z.output<typeof templateSchema>;

let published: Map<string, Template> | undefined;

/** A published template by name: `pair-v2`, `single-v1`, … */
export function publishedTemplate(name: string): Template {
  published ??= new Map(
    readFileSync(new URL('judge_prompts.jsonl', import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Template & { name: string })
      .map((template) => [template.name, template]),
  );
  return published.get(name)!;
}

/**
 * Reads the user's own template.
 * @param fields required placeholders
 * @throws InputError when the file cannot be read or a placeholder is missing
 */
export function readTemplate(file: string, fields: readonly string[]): Template {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw readFailure(file, error, 'label.template needs a YAML or JSON file');
  }
  const { success, data } = templateSchema.safeParse(parseYaml(text, file));
  if (!success)
    throw new InputError(
      `${file} has no text "prompt_template"; label.template needs one, and may have a "system_prompt".`,
    );
  const missing = fields.find((field) => !data.prompt_template.includes(`{${field}}`));
  if (missing !== undefined) {
    throw new InputError(
      `${file} has no {${missing}} in "prompt_template"; it needs ${fields.map((field) => `{${field}}`).join(', ')}.`,
    );
  }
  return data;
}

/** The messages for the judge. Placeholders inside the values are not filled in. */
export function fillTemplate({ system_prompt, prompt_template }: Template, values: Record<string, string>): Message[] {
  const content = prompt_template.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
  return [...(system_prompt === '' ? [] : [{ role: 'system', content: system_prompt }]), { role: 'user', content }];
}
