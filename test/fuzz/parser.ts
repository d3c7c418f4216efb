/** What the fuzzer knows of a parser: inputs that it takes, and how it may fail on others. */

type ErrorType = abstract new (...given: never[]) => Error;

export interface Parser {
  /** What the inputs are, which decides what can be wrong with them: JSON and JSON Lines also get wrong values in places. */
  form: 'json' | 'lines' | 'text' | 'binary';
  /** Inputs that the parser takes. */
  inputs: (string | Buffer)[];
  /** Where the input is written before it is read. */
  file?: string;
  /** Reads an input, and uses what was read as far as it can be wrong. */
  read(input: Buffer): unknown;
  /** It refuses nothing: an answer of a model or a server may be anything. */
  takesAll?: true;
  /** What an error's message must contain. Default: `file`. */
  names?: string;
  /** The errors that it may throw beside an InputError. */
  errors?: ErrorType[];
}

export type Parsers = Record<string, Parser>;
