/** Exit codes and error messages of the command line. */
import { CommanderError } from 'commander';
import { InputError } from '../data/errors.ts';
import { stripSecrets } from '../data/secret.ts';

/** A failure of the store, a server, Temporal, the engine or selm itself. */
export const FAILED = 1;
/** Bad usage or bad input (InputError). */
export const BAD_INPUT = 2;
/** A run waits for a decision and there is no terminal for asking. */
export const DECISION_WANTED = 3;
/** Interrupted by Ctrl-C: 128 + SIGINT, as in shells. */
export const INTERRUPTED = 130;

/** The exit code for an error of a command. 0 for Commander's own exits, such as after --help. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT;
  return error instanceof InputError || isForbidden(error) ? BAD_INPUT : FAILED;
}

/** Whether the system denies access to a file. */
const isForbidden = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error &&
  'path' in error &&
  ['EACCES', 'EPERM', 'EROFS'].includes(String((error as { code?: unknown }).code));

/** Prints an error as one sentence, or with its stack if SELM_DEBUG is set and it is not bad input. Credentials are removed. */
export function report(error: unknown): void {
  const { message, stack } = error as Error;
  const sentence = isForbidden(error)
    ? `${error.path} cannot be accessed (${error.code}): correct its permissions.`
    : message;
  const text = process.env['SELM_DEBUG'] && !(error instanceof InputError) ? stack : sentence;
  console.error(`selm: ${stripSecrets(String(text))}`);
}
