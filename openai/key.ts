/** A server's API key: read from the environment only, and never written anywhere. */
import { InputError } from '../data/errors.ts';

const DEFAULT_VARIABLE = 'OPENAI_API_KEY';

/** What is shorter stands for no key, such as EMPTY, and may well be a word of an answer. */
const SHORTEST_SECRET = 8;

export interface Key {
  /** The environment variable. */
  variable: string;
  /** Absent where a server needs none. */
  value?: string;
  /** A text without the key. Servers echo it in errors. */
  strip(text: string): string;
}

/** @throws InputError when the variable that the settings name is not set, or is not a valid key */
export function readKey(variable?: string): Key {
  const name = variable ?? DEFAULT_VARIABLE;
  const value = process.env[name]?.trim();
  if (!value) {
    if (variable !== undefined) throw new InputError(`The environment variable ${name} is not set; it must hold the server's key.`); // prettier-ignore
    return { variable: name, strip: (text) => text };
  }
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new InputError(`The environment variable ${name} is not a valid key: it contains spaces or characters that are not ASCII.`); // prettier-ignore
  }
  const isSecret = value.length >= SHORTEST_SECRET;
  return { variable: name, value, strip: (text) => (isSecret ? text.replaceAll(value, '***') : text) };
}
