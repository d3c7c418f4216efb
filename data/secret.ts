/** A credential that is not printed: neither as text, nor as JSON, nor by console.log(). */
import { inspect } from 'node:util';

/** Stands where a credential was. */
const HIDDEN = '***';

/** What is shorter stands for no key, such as EMPTY, and may well be a word of an answer. */
const SHORTEST = 8;

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The credential itself, for what sends or compares it. */
  reveal(): string {
    return this.#value;
  }

  /** A text without the credential. */
  strip(text: string): string {
    return this.#value.length < SHORTEST ? text : text.replaceAll(this.#value, HIDDEN);
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
