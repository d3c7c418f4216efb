/** A server's API key, which is read from the environment and never written anywhere. */
import { InputError } from '../../data/errors.ts';
import { readSecret, type Secret } from '../../data/secret.ts';

const DEFAULT_VARIABLE = 'OPENAI_API_KEY';

export interface Key {
  /** The environment variable. */
  variable: string;
  /** Absent if the variable is not set. */
  secret?: Secret;
}

/** @throws InputError when the named variable is not set, or its value is not a valid key */
export function readKey(variable?: string): Key {
  const name = variable ?? DEFAULT_VARIABLE;
  const secret = readSecret(name);
  if (secret) return { variable: name, secret };
  if (variable !== undefined)
    throw new InputError(`The environment variable ${name} is not set; it must hold the server's key.`);
  return { variable: name };
}
