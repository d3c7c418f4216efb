/** Templates of prompts: a text with `{COLUMN}` for the column of a row. */
import { InputError } from '../../data/errors.ts';
import { toJson } from '../../data/exact-json.ts';

const PLACEHOLDER = /\{([\p{L}_][\p{L}\p{N}_-]*)\}/gu;

/** The columns that a template names. */
export const columnsIn = (template: string): string[] => [
  ...new Set(Array.from(template.matchAll(PLACEHOLDER), ([, name]) => name)),
];

/** The template with the row's values: texts as they are, others as JSON. @throws InputError that names a missing column */
export const filled = (template: string, fields: Record<string, unknown>, where: string): string =>
  template.replace(PLACEHOLDER, (_, name: string) => {
    const value = fields[name];
    if (value === undefined) {
      const found = Object.keys(fields).join(', ');
      throw new InputError(
        `${where} has no "${name}" for the placeholder {${name}} (found: ${found}); correct --template.`,
      );
    }
    return typeof value === 'string' ? value : toJson(value);
  });
