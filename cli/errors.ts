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
  return error instanceof InputError ? BAD_INPUT : FAILED;
}

/** One sentence for what the user can mend; for the rest, the stack where SELM_DEBUG asks for it. */
export function report(error: unknown): void {
  const { message, stack } = error as Error;
  const text = process.env['SELM_DEBUG'] && !(error instanceof InputError) ? stack : message;
  console.error(`selm: ${stripSecrets(String(text))}`);
}
