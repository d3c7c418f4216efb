/** Errors that are the user's to fix, told apart from faults of the program or the machine. */

/**
 * Bad usage or bad input. The message is one sentence: what is wrong, where, and what to do. The command line prints it and
 * exits with 2; an activity fails with it non-retryably. What it repeats of the input may be anything: it stays one line, without
 * what controls a terminal, and what is too long for a sentence is left out in its middle.
 */
export class InputError extends Error {
  override readonly name = 'InputError';

  constructor(message: string, options?: ErrorOptions) {
    super(oneSentence(message), options);
  }
}

/** A message in one line, and not much longer than a sentence. */
export const oneSentence = (message: string): string =>
  wellFormed(
    cut(
      oneLine(message).replaceAll(LONG_WORD, (word) => cut(word, 100, 40)),
      600,
      400,
    ),
  );

/** No path's part is as long. */
const LONG_WORD = /[^\s/]{256,}/g;
const OMISSION = ' […] ';

/** A text without its middle where that is longer than beginning and end together. */
const cut = (text: string, beginning: number, end: number) =>
  text.length <= beginning + end ? text : text.slice(0, beginning) + OMISSION + text.slice(-end);

/** A text of somebody else's as a part of one line: line ends and tabs are spaces, other control characters are escaped. */
export const oneLine = (text: string): string =>
  wellFormed(text)
    .replaceAll(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, ' ')
    .replaceAll(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

const wellFormed = (text: string) => text.replaceAll(/\p{Surrogate}/gu, '\ufffd');

/** Runs `action`, and puts `place` ("Row 3") before the message of an `InputError` that it throws. */
export function located<T>(place: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${place}: ${error.message}`);
    throw error;
  }
}
