/** A credential that is not printed: neither as text, nor as JSON, nor by console.log(). */
import { inspect } from 'node:util';
import { InputError } from './errors.ts';
import { isTooDeep, jsonOf } from './json.ts';

/** Stands where a credential was. */
const HIDDEN = '***';

/** What is shorter stands for no key, such as EMPTY, and may well be a word of an answer. */
const SHORTEST = 8;

/** All that there are in this process, by their values. */
const known = new Map<string, Secret>();

export class Secret {
  readonly #value: string;
  readonly #pattern: RegExp | undefined;

  constructor(value: string) {
    this.#value = value;
    if (value.length < SHORTEST) return;
    known.set(value, this);
    // JSON may escape what is no letter, once or several times; addresses have a form of their own.
    const escaped = [...value].map((character) => (/\w/.test(character) ? character : `\\\\*${literal(character)}`));
    this.#pattern = new RegExp(`${escaped.join('')}|${literal(encodeURIComponent(value))}`, 'g');
  }

  /** The credential itself, for what sends or compares it. */
  reveal(): string {
    return this.#value;
  }

  /** A text without the credential. */
  strip(text: string): string {
    return this.#pattern ? text.replace(this.#pattern, HIDDEN) : text;
  }

  /** A body without the credential, however its JSON spells it; one without it is returned as it is. */
  stripBody(text: string): string {
    let found = false;
    const clean = (value: unknown): unknown => {
      if (typeof value === 'string') {
        const stripped = this.strip(value);
        found ||= stripped !== value;
        return stripped;
      }
      if (Array.isArray(value)) return value.map(clean);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, own]) => [clean(key), clean(own)]));
    };
    const body = jsonOf(text);
    if (body === undefined || isTooDeep(body)) return this.strip(text);
    const cleaned = clean(body);
    return found ? JSON.stringify(cleaned) : text;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** A text without any credential that has been read, and without the user names and passwords of addresses: for what is printed. */
export function stripSecrets(text: string): string {
  const stripped = [...known.values()].reduce((rest, secret) => secret.strip(rest), text);
  return stripped.replace(/(\w:\/\/)[^\s/?#"'<>]*@/g, `$1${HIDDEN}@`);
}

/**
 * A credential of the environment, without white space around it: files end with a new line.
 * @param variable names the setting in errors
 * @returns undefined where it is not set
 * @throws InputError when no HTTP header can hold it; the error does not repeat it
 */
export function readSecret(variable: string, value = process.env[variable]): Secret | undefined {
  const trimmed = value?.trim();
  if (!trimmed) return undefined;
  if (/^[\x21-\x7e]+$/.test(trimmed)) return new Secret(trimmed);
  throw new InputError(
    `${variable} is not a valid key: it contains spaces, new lines or characters that are not ASCII.`,
  );
}

/**
 * An address of the environment.
 * @throws InputError when it has a user name or a password in it: these would be wherever addresses are shown
 */
export function readAddress(variable: string, value = process.env[variable]): string | undefined {
  if (value === undefined || !/^(\w+:\/\/)?[^/?#]*@/.test(value)) return value;
  throw new InputError(`${variable} contains a user name or a password; give the address without them.`);
}

/**
 * A setting that is sent as the value of an HTTP header, or several of them: OTEL_EXPORTER_OTLP_HEADERS, say.
 * @throws InputError when no header can hold it; the error does not repeat it
 */
export function checkHeader(setting: string, value: string | undefined): void {
  if (value === undefined || /^[\x20-\x7e]*$/.test(value)) return;
  throw new InputError(`${setting} contains new lines or characters that are not ASCII; correct its value.`);
}
