/** Reads a server's API key from the environment. The key is never logged or stored. */
import { InputError } from '../../data/errors.ts';
import { readSecret, type Secret } from '../../data/secret.ts';

const DEFAULT_VARIABLE = 'OPENAI_API_KEY';

/** An API key and its source. */
export interface Key {
  /** Name of the environment variable. */
  variable: string;
  /** Absent if the variable is not set. */
  secret?: Secret;
}

/**
 * Reads the API key.
 * @param variable name of the environment variable. Default: OPENAI_API_KEY, which may be unset
 * @throws InputError when the given variable is not set, or its value is not a valid key
 */
export function readKey(variable?: string): Key {
  const name = variable ?? DEFAULT_VARIABLE;
  const secret = readSecret(name);
  if (secret) return { variable: name, secret };
  if (variable !== undefined)
    throw new InputError(`The environment variable ${name} is not set; it must hold the server's key.`);
  return { variable: name };
}
