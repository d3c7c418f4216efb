/** Explains why the embedded server does not start, and the remedy. */
import { InputError } from '../../data/errors.ts';
import { TemporalFailed } from '../temporal/errors.ts';

const REASONS: [RegExp, (database: string) => string][] = [
  [
    /disk is full|no space left/i,
    (database) => `The disk of Temporal's database ${database} is full: free some space, then run the command again.`,
  ],
  [
    /not a database|malformed/i,
    (database) =>
      `Temporal's database ${database} is damaged: move it away, then run the command again. ` +
      'Runs start from the beginning and reuse their artifacts.',
  ],
  [
    /readonly|unable to open|permission denied/i,
    (database) =>
      `Temporal's database ${database} cannot be opened for writing: correct its permissions, then run the command again.`,
  ],
];

/** Whether the server was stopped while it created the database. Such a database holds no run. */
export const isUnfinishedDatabase = (said: string): boolean => /no such table: namespaces/.test(said);

/** Turns the log of a server that did not start into an error. @param said the server's log */
export function explainStart(said: string, executable: string, database: string): InputError | TemporalFailed {
  const known = REASONS.find(([pattern]) => pattern.test(said));
  if (known) return new InputError(known[1](database));
  const last = said.trim().split('\n').at(-1);
  return new TemporalFailed(
    `Temporal's dev server did not start (${executable}, database ${database})${last ? `: ${last}` : '.'}`,
  );
}
