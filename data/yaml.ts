/** Reads YAML and JSON settings. */
import { Lexer, LineCounter, parseDocument, Parser, type YAMLParseError, type YAMLWarning } from 'yaml';
import { InputError } from './errors.ts';
import { checkDepth, MAX_DEPTH } from './json.ts';

/**
 * Parses a YAML text into objects, lists, strings, numbers, booleans and nulls.
 * @param what names the text in errors
 * @throws InputError for a text that is not YAML, has unknown tags, refers to itself or is nested too deep
 */
export function parseYaml(text: string, what: string): unknown {
  if (isNestedTooDeep(text))
    throw new InputError(`${what} is nested more than ${MAX_DEPTH} levels deep; make it flatter.`);
  const refuse = (problem: string): never => {
    throw new InputError(`${what} is not YAML (${problem}); correct it.`);
  };
  const lineCounter = new LineCounter();
  // The library's pretty errors would copy the line for each of possibly thousands of errors.
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) refuse(describe(problem, lineCounter));
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // An alias without an anchor, or aliases that would expand to fill the memory.
    refuse((error as Error).message);
  }
  checkDepth(value, what);
  return value;
}

function describe({ message, pos: [start] }: YAMLParseError | YAMLWarning, lines: LineCounter): string {
  const { line, col } = lines.linePos(start);
  return `${message} at line ${line}, column ${col}`;
}

/** Checked before the library recurses into the text: V8 aborts a process that compiles a regular expression at the end of its stack. */
function isNestedTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return true;
  }
  return false;
}
