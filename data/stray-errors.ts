/** Handles unhandled errors: prints one sentence and ends the process. */
import { InputError, oneLine } from './errors.ts';
import { BAD_INPUT, FAILED } from './exit-codes.ts';

/** Ends the process at an unhandled error, which is a bug of selm or of a library. */
export function endAtStrayErrors(): void {
  process.on('unhandledRejection', end).on('uncaughtException', end);
  // Ignores errors of the output, as console.log does. Output to a closed terminal may fail before SIGHUP arrives, which then stops
  // the process in an orderly way.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
}

function end(error: unknown): never {
  const { message = String(error), stack = message } = Object(error) as Partial<Error>;
  console.error(`selm: ${process.env['SELM_DEBUG'] ? stack : oneLine(message)}`);
  process.exit(error instanceof InputError ? BAD_INPUT : FAILED);
}
