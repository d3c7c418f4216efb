/** Errors that are the user's to fix, told apart from faults of the program or the machine. */

/**
 * Bad usage or bad input. The message is one sentence: what is wrong, where, and what to do. The command line prints it and
 * exits with 2; an activity fails with it non-retryably.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
}
