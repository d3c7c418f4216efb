/** Settings as flags: each field of a schema is a flag with its description and default, checked by the schema. */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';

type SettingsSchema = z.ZodObject;

const flagOf = (field: string) => `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Adds a flag for each of `fields`. A switch that is on by default becomes `--no-<field>`. */
export function addSettings<S extends SettingsSchema>(
  command: Command,
  schema: S,
  fields: (keyof S['shape'] & string)[],
): void {
  const defaults = schema.partial().parse({}) as Record<string, unknown>;
  for (const field of fields) {
    const type = schema.shape[field] as z.ZodType;
    const fallback = defaults[field];
    const flag = flagOf(field);
    if (typeof fallback === 'boolean') {
      command.addOption(new Option(fallback ? flag.replace('--', '--no-') : flag, type.description));
      continue;
    }
    const values = enumValues(type);
    const shown = fallback === undefined ? '' : ` (default: ${String(fallback)})`;
    command.addOption(new Option(`${flag} <${values?.join('|') ?? 'n'}>`, `${type.description}${shown}`));
  }
}

function enumValues(type: z.ZodType): string[] | undefined {
  const inner = type instanceof z.ZodDefault || type instanceof z.ZodOptional ? type.unwrap() : type;
  return inner instanceof z.ZodEnum ? inner.options.map(String) : undefined;
}

/**
 * The settings that the flags give, defaults filled in.
 * @param prefix of the fields' names as flags: with 'lora', `rank` is `--lora-rank`
 * @throws InputError that names the flag
 */
export function readSettings<T>(
  schema: z.ZodType<T>,
  flags: Record<string, unknown>,
  fields: string[],
  prefix = '',
): T {
  const given = fields.filter((field) => flags[field] !== undefined).map((field) => [field, valueOf(flags[field])]);
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const { path, message } = issue;
  const field = String(path[0]);
  const problem = message.replace(/^(Invalid input|Invalid option|Too small|Too big): /, '');
  const flag = flagOf(prefix ? `${prefix}${field[0].toUpperCase()}${field.slice(1)}` : field);
  // What may be a key, put where none belongs, is not repeated.
  const isHidden = issue.code === 'custom' && issue.params?.['hidden'];
  throw new InputError(`${flag}${isHidden ? '' : ` ${String(flags[field])}`} is not valid: ${problem}; see --help.`);
}

/** Flags arrive as strings; what reads as a number is one. */
function valueOf(flag: unknown): unknown {
  return typeof flag === 'string' && flag.trim() !== '' && Number.isFinite(Number(flag)) ? Number(flag) : flag;
}

/** The seed, a flag of every step that draws random numbers. */
export const seedSchema = z.object({ seed: z.int().min(0).default(0).describe('Seed of all random numbers.') });
