/** YAML and JSON of users' settings. */
import { parseDocument } from 'yaml';
import { InputError } from './errors.ts';
import { checkDepth } from './json.ts';

/**
 * The value of a YAML text: objects, lists, texts, numbers, booleans and nulls.
 * @param what names it in errors
 * @throws InputError for what is no YAML, has tags that are not known, refers to itself or is nested too deep
 */
export function parseYaml(text: string, what: string): unknown {
  let value: unknown;
  try {
    const document = parseDocument(text);
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    value = document.toJS();
  } catch (error) {
    // The first line says what and where; a drawing of the place follows.
    const [problem] = (error as Error).message.split(/:?\n/);
    throw new InputError(`${what} is not YAML (${problem}); correct it.`);
  }
  checkDepth(value, what);
  return value;
}
