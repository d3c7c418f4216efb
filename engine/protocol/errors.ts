/** Errors of an engine that are not the user's input (those are `InputError`), and how errors cross the process boundary. */
import { InputError } from '../../data/errors.ts';
import type { ErrorMessage } from './messages.ts';

/** A job did not end with a result, for a reason that the subclass names. */
export abstract class EngineError extends Error {}

/** The job was stopped by its caller. The checkpoint of a training holds the steps done so far. */
export class JobAborted extends EngineError {
  override readonly name = 'JobAborted';
}

/** A process of the engine ended or stopped responding during a job. The next job starts a new one. */
export class EngineDied extends EngineError {
  override readonly name = 'EngineDied';
}

/** The loss or the gradient norm of a training became infinite or NaN. The same training would diverge again. */
export class TrainingDiverged extends EngineError {
  override readonly name = 'TrainingDiverged';
}

/** A GPU has too little memory for a job: the settings ask for too much. Beside another program, the job may fit without it. */
export class OutOfMemory extends InputError {}

// The first that an error is an instance of is its kind.
const kinds = {
  memory: OutOfMemory,
  input: InputError,
  aborted: JobAborted,
  diverged: TrainingDiverged,
  died: EngineDied,
} as const;

/** An error as plain data. */
export function toErrorMessage(error: unknown): ErrorMessage {
  const { message, stack } = error as Error;
  const known = Object.entries(kinds).find(([, kind]) => error instanceof kind);
  return { kind: (known?.[0] as keyof typeof kinds | undefined) ?? 'fault', message, stack };
}

/** The error that `toErrorMessage` made plain: of the same class, or an `Error` for a fault of the program. */
export function fromErrorMessage({ kind, message, stack }: ErrorMessage): Error {
  if (kind !== 'fault') return new kinds[kind](message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}
