/** Runs a Python program of a benchmark under supervision: it ends with the activity, and with the worker. */
import { stripSecrets } from '../../data/secret.ts';
import { PYTHON_ERROR } from '../../engine/process/python-error.ts';
import { WatchedProgram } from '../../engine/process/watched.ts';

/** The time limit for the program to end after SIGTERM. */
const STOP_SECONDS = 5;

interface ProgramOptions {
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** Receives the output as it comes, in pieces. */
  onOutput?: (text: string) => void;
  /** The error for a program that failed. @param reason its last error message, in which no secret is */
  explain: (reason: string) => Error;
}

/**
 * Runs a program to its end. It ends with the worker, also if the worker is killed.
 * @throws the signal's reason when it is aborted, and the error of `explain` when the program fails
 */
export async function runProgram(command: string[], { env, signal, onOutput, explain }: ProgramOptions): Promise<void> {
  signal?.throwIfAborted();
  const program = new WatchedProgram(command, env, onOutput);
  const stop = () => void program.stop(STOP_SECONDS);
  signal?.addEventListener('abort', stop, { once: true });
  const end = await program.ended;
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  if (end && 'failed' in end) throw explain(stripSecrets(end.failed));
  if (end?.code !== 0) throw explain(stripSecrets(reasonIn(program.output)));
}

/** The last error of the output, or its last line. */
function reasonIn(output: string): string {
  const lines = output.split(/[\n\r]/).map((line) => line.trim());
  const reason = lines.findLast((line) => PYTHON_ERROR.test(line)) ?? lines.findLast((line) => line !== '');
  return (reason ?? 'it was killed').replace(/[.\s]+$/, '');
}
