/** Exit codes of commands and of workers. */

/** A failure of the store, a server, Temporal, the engine or selm itself. */
export const FAILED = 1;
/** Bad usage or bad input (InputError). */
export const BAD_INPUT = 2;
