/** Settings as flags: each setting of a schema becomes a flag with its type, default and description. The schema validates the values. */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { boundsOf, type JsonSchema } from '../config/schema-text.ts';
import { InputError } from '../data/errors.ts';

/** Flags as commander gives them to a command's action. */
export type GivenFlags = Record<string, unknown>;

/** A setting that has been given on the command line. */
export interface GivenSetting {
  /** Key of the setting, joined by dots: `lora.rank`. */
  key: string;
  /** Such as `--lora-rank`. */
  flag: string;
  value: unknown;
}

interface Setting {
  key: string;
  schema: JsonSchema;
  isRequired: boolean;
  /** The flag in commander's syntax: `--lora-rank <integer>`. */
  declaration: string;
}

interface FlagNames {
  /** Keys of the settings that become flags. Default: all settings of the schema. */
  only?: readonly string[];
  /**
   * Names of flags that differ from their keys, by key, with an optional placeholder: `{ model: 'judge-model <name>' }`.
   * The default for a key in a section joins both names: `lora.rank` is `--lora-rank`.
   */
  named?: Record<string, string>;
}

/**
 * The flags of a schema's settings.
 * @example
 * const training = new SettingsFlags(trainingSchema);
 * training.addTo(command).action((flags) => train(training.read(flags)));
 */
export class SettingsFlags<T> {
  private readonly settings: Setting[];
  private readonly schema: z.ZodType<T>;

  constructor(schema: z.ZodType<T>, { only, named = {} }: FlagNames = {}) {
    this.schema = schema;
    this.settings = settingsOf(z.toJSONSchema(schema, { io: 'input' }), named).filter(
      ({ key }) => only?.includes(key) ?? true,
    );
  }

  /** Adds the flags to a command. */
  addTo(command: Command): Command {
    for (const setting of this.settings) {
      const { declaration, isRequired } = setting;
      command.addOption(new Option(declaration, describe(setting)).makeOptionMandatory(isRequired));
    }
    return command;
  }

  /** The settings given by flags, without defaults. */
  given(flags: GivenFlags): GivenSetting[] {
    return this.settings.flatMap(({ key, schema, declaration }) => {
      const { flag, attributeName } = optionOf(declaration);
      const given = flags[attributeName];
      // Commander sets a `--no-…` switch to true when it is not given.
      if (given === undefined || (given === true && schema.default === true)) return [];
      return [{ key, flag, value: valueOf(given, schema) }];
    });
  }

  /**
   * The settings given by flags, with defaults for the others.
   * @throws InputError that names the flag
   */
  read(flags: GivenFlags): T {
    const document = nested(this.given(flags));
    const parsed = this.schema.safeParse(document);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new InputError(`${this.problemOf(issue, flags)}; see --help.`);
  }

  private problemOf({ path, message, ...issue }: z.core.$ZodIssue, flags: GivenFlags): string {
    const key = path.join('.');
    const { declaration } = this.settings.find((setting) => key === setting.key || key.startsWith(`${setting.key}.`))!;
    const { flag, attributeName } = optionOf(declaration);
    const given = flags[attributeName];
    if (given === undefined) return `${flag} is missing`;
    // The value is not printed, because it may be a misplaced secret.
    const isHidden = issue.code === 'custom' && issue.params?.['hidden'];
    const problem = message.replace(/^(Invalid input|Invalid option|Too small|Too big): /, '');
    return `${flag}${isHidden ? '' : ` ${String(given)}`} is not valid: ${problem}`;
  }
}

/** The flag, such as `--lora-rank`, and commander's key for its value: `loraRank`. */
function optionOf(declaration: string): { flag: string; attributeName: string } {
  const option = new Option(declaration);
  return { flag: option.long!, attributeName: option.attributeName() };
}

/** The settings as an object with its sections: `lora.rank` becomes `{ lora: { rank } }`. */
export function nested(given: GivenSetting[]): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const { key, value } of given) {
    const [last, ...sections] = key.split('.').toReversed();
    const section = sections.reduceRight((outer, name) => (outer[name] ??= {}) as Record<string, unknown>, document);
    section[last] = value;
  }
  return document;
}

/** All settings of a schema and its sections, without constants such as a labeler's name. */
function settingsOf(schema: JsonSchema, named: Record<string, string>, prefix = ''): Setting[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties as Record<string, JsonSchema>).flatMap(([name, property]) => {
    const key = `${prefix}${name}`;
    if (property.const !== undefined) return [];
    if (property.properties) return settingsOf(property, named, `${key}.`);
    const declaration = declarationOf(named[key] ?? kebab(key), property);
    return [{ key, schema: property, isRequired: prefix === '' && required.includes(name), declaration }];
  });
}

/** A switch that is on by default becomes `--no-NAME`. */
function declarationOf(name: string, schema: JsonSchema): string {
  if (schema.type === 'boolean') return `--${schema.default === true ? 'no-' : ''}${name}`;
  return name.includes('<') ? `--${name}` : `--${name} <${placeholderOf(schema)}>`;
}

/** Maximum length of choices in a placeholder. Longer choices are part of the description, because they would narrow its column. */
const MAX_CHOICES = 20;

function placeholderOf({ type, enum: values, anyOf, const: name }: JsonSchema): string {
  if (anyOf) return (anyOf as JsonSchema[]).map(placeholderOf).join('|');
  if (name !== undefined) return String(name);
  const choices = values?.join('|');
  if (choices) return choices.length > MAX_CHOICES ? 'name' : choices;
  return { array: 'list', object: 'json', string: 'text' }[type as string] ?? String(type);
}

const kebab = (key: string) => key.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The description with the flag's possible values and its default. */
function describe({ schema, declaration }: Setting): string {
  const { description = '', type, items, enum: values, default: fallback } = schema;
  const choices = values ?? (items as JsonSchema | undefined)?.enum;
  const isShown = choices === undefined || declaration.includes(choices.join('|'));
  const facts = [
    ...(type === 'array' ? ['comma-separated'] : []),
    ...(isShown ? [] : [choices.join(', ')]),
    ...boundsOf(schema),
    ...defaultOf(type, fallback),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}

function defaultOf(type: JsonSchema['type'], fallback: unknown): string[] {
  if (type === 'boolean') return fallback === true ? ['default: on; this turns it off'] : [];
  return fallback === undefined ? [] : [`default: ${textOf(fallback)}`];
}

const textOf = (value: unknown): string => (Array.isArray(value) ? value.join(',') : String(value));

/** Converts a flag's text to the setting's type. The schema rejects texts of another type. */
function valueOf(flag: unknown, { type, anyOf }: JsonSchema): unknown {
  if (typeof flag !== 'string') return flag;
  // The first alternative whose type the text has: a number, or a name.
  if (anyOf) return (anyOf as JsonSchema[]).map((each) => valueOf(flag, each)).find((value) => value !== flag) ?? flag;
  if (type === 'array') return flag.split(',');
  if (type === 'object') return parsed(flag);
  const isNumber = type === 'number' || type === 'integer';
  return isNumber && flag.trim() !== '' && Number.isFinite(Number(flag)) ? Number(flag) : flag;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** The seed of a step that draws random numbers. */
export const seedFlags = new SettingsFlags(
  z.strictObject({ seed: z.int().min(0).default(0).describe('Seed of all random numbers.') }),
);
