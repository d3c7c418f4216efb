/** How the command line ends when something goes wrong. */
import { CommanderError } from 'commander';
import { InputError } from '../data/errors.ts';
import { stripSecrets } from '../data/secret.ts';

export const FAILED = 1;
export const BAD_INPUT = 2;
/** A run waits for a decision, and nobody is there to make it. */
export const DECISION_WANTED = 3;
/** By Ctrl-C, as shells have it: 128 + SIGINT. */
export const INTERRUPTED = 130;

/** 0 done, 1 failed, 2 bad usage or bad input. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT;
  return error instanceof InputError || isForbidden(error) ? BAD_INPUT : FAILED;
}

/** Whether the system refuses access to a file. */
const isForbidden = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error &&
  'path' in error &&
  ['EACCES', 'EPERM', 'EROFS'].includes(String((error as { code?: unknown }).code));

/** One sentence for what the user can mend; for the rest, the stack where SELM_DEBUG asks for it. */
export function report(error: unknown): void {
  const { message, stack } = error as Error;
  const sentence = isForbidden(error)
    ? `${error.path} cannot be accessed (${error.code}): correct its permissions.`
    : message;
  const text = process.env['SELM_DEBUG'] && !(error instanceof InputError) ? stack : sentence;
  console.error(`selm: ${stripSecrets(String(text))}`);
}
