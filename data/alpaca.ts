/** Prompts in Alpaca's form: an `instruction` and, in some rows, the `input` that it is about. */

/** The instruction and its input, with a blank line between them as in Alpaca's own prompts. */
export const withInput = (instruction: string, input: string): string =>
  input.trim() === '' ? instruction : `${instruction}\n\n${input}`;
