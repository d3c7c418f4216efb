/** Exit codes and error messages of the command line. */
import { CommanderError } from 'commander';
import { InputError } from '../data/errors.ts';
import { stripSecrets } from '../data/secret.ts';

export const FAILED = 1;
export const BAD_INPUT = 2;
/** A run waits for a decision, and there is no terminal to ask for it. */
export const DECISION_WANTED = 3;
/** Ended by Ctrl-C: 128 + SIGINT, as in shells. */
export const INTERRUPTED = 130;

/** The exit code of an error: 1 failed, 2 bad usage or bad input; 0 for help. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT;
  return error instanceof InputError ? BAD_INPUT : FAILED;
}

/** Prints an error in one sentence; with SELM_DEBUG, the stack of all errors but those of the user's input. */
export function report(error: unknown): void {
  const { message, stack } = error as Error;
  const text = process.env['SELM_DEBUG'] && !(error instanceof InputError) ? stack : message;
  console.error(`selm: ${stripSecrets(String(text))}`);
}
