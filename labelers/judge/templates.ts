/** The judge's prompts: MT-Bench's published templates, or one of the user's own, filled in. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import type { Message } from '../../data/records.ts';
import { parseYaml } from '../../data/yaml.ts';

const templateSchema = z.looseObject({ system_prompt: z.string().default(''), prompt_template: z.string().min(1) });

/** In the form of MT-Bench's: names in braces stand for what is filled in. */
export type Template = z.output<typeof templateSchema>;

let published: Map<string, Template> | undefined;

/** One of MT-Bench's by its name: `pair-v2`, `single-v1`, … */
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
 * Reads a template of the user's own.
 * @param fields what must be in it, or the judge would not see what it judges
 * @throws InputError that names the file and what it lacks
 */
export function readTemplate(file: string, fields: readonly string[]): Template {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InputError(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}); label.template needs a YAML or JSON file.`,
    );
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

/** The conversation that a judge is asked with. What is filled in may have names in braces, too: they stay. */
export function fillTemplate({ system_prompt, prompt_template }: Template, values: Record<string, string>): Message[] {
  const content = prompt_template.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
  return [...(system_prompt === '' ? [] : [{ role: 'system', content: system_prompt }]), { role: 'user', content }];
}
