/** Further exit codes and the error messages of the command line. */
import { CommanderError } from 'commander';
import { InputError } from '../data/errors.ts';
import { BAD_INPUT, FAILED } from '../data/exit-codes.ts';
import { stripSecrets } from '../data/secret.ts';

/** A run waits for a decision and there is no terminal for asking. */
export const DECISION_WANTED = 3;
/** `selm deploy diff` found differences. */
export const DIFFERS = 4;
/** Interrupted by Ctrl-C: 128 + SIGINT, as in shells. */
export const INTERRUPTED = 130;

/** The exit code for an error of a command. 0 for Commander's own exits, such as after --help. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT;
  return error instanceof InputError || accessError(error) ? BAD_INPUT : FAILED;
}

/** The system's refusal of access to a file, as the error itself or as its cause: the user has to correct permissions. */
function accessError(error: unknown): NodeJS.ErrnoException | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, cause } = error as NodeJS.ErrnoException;
  return path !== undefined && ['EACCES', 'EPERM', 'EROFS'].includes(code ?? '') ? error : accessError(cause);
}

/** Prints an error as one sentence, or with its stack if SELM_DEBUG is set and it is not bad input. Credentials are removed. */
export function report(error: unknown): void {
  const { message, stack } = error as Error;
  const refused = accessError(error);
  const sentence = refused ? `${refused.path} cannot be accessed (${refused.code}): correct its permissions.` : message;
  const text = process.env['SELM_DEBUG'] && !(error instanceof InputError) ? stack : sentence;
  console.error(`selm: ${stripSecrets(String(text))}`);
}
