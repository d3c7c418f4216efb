/** Errors for bad input, and for failures of file reads and of the Hugging Face hub. */

/**
 * Bad usage or bad input. The message is one sentence: what is wrong, where, and what to do. The command line prints it and
 * exits with 2; an activity that throws it is not retried. Quoted input is sanitized: one line, no control characters, shortened
 * in the middle.
 */
export class InputError extends Error {
  override readonly name = 'InputError';

  constructor(message: string, options?: ErrorOptions) {
    super(oneSentence(message), options);
  }
}

/** A file cannot be read, for a temporary reason. A retry may succeed. */
export class ReadFailed extends Error {
  override readonly name = 'ReadFailed';
}

/** The Hugging Face hub cannot be reached, or its response is not valid. A retry may succeed. */
export class HubFailed extends Error {
  override readonly name = 'HubFailed';

  constructor(message: string) {
    super(oneSentence(message));
  }
}

/** A message as one line, shortened to about the length of a sentence. */
export const oneSentence = (message: string): string =>
  wellFormed(
    cut(
      oneLine(message).replaceAll(LONG_WORD, (word) => cut(word, 100, 40)),
      600,
      400,
    ),
  );

/** Longer than any part of a path. */
const LONG_WORD = /[^\s/]{256,}/g;
const OMISSION = ' […] ';

/** Removes the middle of a text that is longer than `beginning` and `end` together. */
const cut = (text: string, beginning: number, end: number) =>
  text.length <= beginning + end ? text : text.slice(0, beginning) + OMISSION + text.slice(-end);

/** A text as one line: line ends and tabs become spaces, other control characters are escaped. */
export const oneLine = (text: string): string =>
  wellFormed(text)
    .replaceAll(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, ' ')
    .replaceAll(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

const wellFormed = (text: string) => text.replaceAll(/\p{Surrogate}/gu, '\ufffd');

/** Runs `action`. If it throws an `InputError`, `place` ("Row 3") is added before the message. */
export function located<T>(place: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${place}: ${error.message}`);
    throw error;
  }
}
