/** YAML and JSON of users' settings. */
import { Lexer, parseDocument, Parser } from 'yaml';
import { InputError } from './errors.ts';
import { checkDepth, MAX_DEPTH } from './json.ts';

/**
 * The value of a YAML text: objects, lists, texts, numbers, booleans and nulls.
 * @param what names it in errors
 * @throws InputError for what is no YAML, has tags that are not known, refers to itself or is nested too deep
 */
export function parseYaml(text: string, what: string): unknown {
  let value: unknown;
  if (isNestedTooDeep(text)) throw new InputError(`${what} is nested more than ${MAX_DEPTH} levels deep; make it flatter.`); // prettier-ignore
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

/** Told before the library goes down into the text: V8 aborts a process that compiles a regular expression at the end of its stack. */
function isNestedTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return true;
  }
  return false;
}
