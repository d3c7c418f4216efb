/** Credentials that cannot be printed by accident: not as text, as JSON or by console.log(). */
import { inspect } from 'node:util';
import { InputError } from './errors.ts';
import { isTooDeep, jsonOf } from './json.ts';

/** Replaces a credential in texts. */
const HIDDEN = '***';

/** Minimum length of a value that is removed from texts. Shorter values, such as EMPTY, are placeholders and may occur in a response. */
const SHORTEST = 8;

/** All credentials of this process, by value. */
const known = new Map<string, Secret>();

/** A credential. Its value is accessible by `reveal()` only. */
export class Secret {
  readonly #value: string;
  readonly #pattern: RegExp | undefined;

  /** Registers the value, so that stripSecrets() removes it. Values shorter than 8 characters are not registered. */
  constructor(value: string) {
    this.#value = value;
    if (value.length < SHORTEST) return;
    known.set(value, this);
    // JSON may escape characters other than letters, once or several times. Addresses use percent-encoding.
    const escaped = [...value].map((character) => (/\w/.test(character) ? character : `\\\\*${literal(character)}`));
    this.#pattern = new RegExp(`${escaped.join('')}|${literal(encodeURIComponent(value))}`, 'g');
  }

  /** Returns the credential, to send or compare it. */
  reveal(): string {
    return this.#value;
  }

  /** Replaces the credential in a text by `***`. */
  strip(text: string): string {
    return this.#pattern ? text.replace(this.#pattern, HIDDEN) : text;
  }

  /** Replaces the credential in a body, including all JSON escapes of it. Other bodies are returned unchanged. */
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

/** Escapes a text for use in a regular expression. */
const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Removes all credentials of this process from a text, and user names and passwords from addresses. */
export function stripSecrets(text: string): string {
  const stripped = [...known.values()].reduce((rest, secret) => secret.strip(rest), text);
  return stripped.replace(/(\w:\/\/)[^\s/?#"'<>]*@/g, `$1${HIDDEN}@`);
}

/**
 * Reads a credential from the environment. White space at both ends is removed, because files end with a newline.
 * @param variable the name of the environment variable; errors contain it
 * @returns undefined if it is not set
 * @throws InputError when it cannot be in an HTTP header; the error does not contain it
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
 * Reads an address from the environment.
 * @throws InputError when it contains a user name or a password: addresses are shown in messages
 */
export function readAddress(variable: string, value = process.env[variable]): string | undefined {
  if (value === undefined || !/^(\w+:\/\/)?[^/?#]*@/.test(value)) return value;
  throw new InputError(`${variable} contains a user name or a password; give the address without them.`);
}

/**
 * Checks a setting that is sent as the value of HTTP headers, such as OTEL_EXPORTER_OTLP_HEADERS.
 * @throws InputError when it cannot be in a header; the error does not contain it
 */
export function checkHeader(setting: string, value: string | undefined): void {
  if (value === undefined || /^[\x20-\x7e]*$/.test(value)) return;
  throw new InputError(`${setting} contains new lines or characters that are not ASCII; correct its value.`);
}
