/** Why ranks have ended, as one error: the first cause, with the rank and its last words. */
import { EngineDied, OutOfMemory } from '../protocol/errors.ts';
import type { ErrorMessage } from '../protocol/messages.ts';
import { rootCause } from './nodes.ts';

/** How a rank, or the torchrun of this node, ended. */
export interface RankEnd {
  /** Such as `Rank 0 of 2`. */
  name: string;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Whether the parent ended it, because another rank had failed or none made progress. */
  isOurs: boolean;
  /** The end of what it wrote to stderr. */
  stderr: string;
}

/** A GPU without memory for an allocation (torch.OutOfMemoryError), and NCCL's form of it. */
const OUT_OF_MEMORY = /CUDA out of memory|OutOfMemoryError|CUDA error: out of memory/;
/** Whether a rank failed because its GPU has too little memory. */
export const isOutOfMemory = ({ message }: Pick<ErrorMessage, 'message'>): boolean => OUT_OF_MEMORY.test(message);

/** What a rank says when another one is gone: not the cause. */
const LOST_CONNECTION =
  /Connection (closed|reset) by peer|connection was (closed|aborted)|remote process exited|Broken pipe/i;

/**
 * @param ends of all ranks
 * @param during what they were doing: `optimize, after step 3`
 * @param reported the error that rank 0 reported for all ranks, if one of them raised it
 * @returns OutOfMemory where a GPU's memory is too small, else EngineDied
 */
export function endError(ends: RankEnd[], during: string, reported?: ErrorMessage): Error {
  const own = ends.filter(({ isOurs }) => !isOurs);
  const killed = own.find(({ signal }) => signal !== null);
  if (killed) return died(killed, during);
  const full = ends.find(({ stderr }) => OUT_OF_MEMORY.test(stderr));
  if (full || (reported && isOutOfMemory(reported))) {
    const who = full?.name ?? 'A rank';
    const words = reported?.message ?? lastWords(full!);
    const advice = 'lower microBatchTokens or maxLength, set recompute, or use more GPUs';
    return new OutOfMemory(`${who} ran out of GPU memory during ${during}: ${advice}. ${words}`);
  }
  if (reported && !LOST_CONNECTION.test(reported.message)) {
    const stack = reported.stack ? `\n${reported.stack}` : '';
    return new EngineDied(`The ranks failed during ${during}: ${reported.message}${stack}`);
  }
  const failed = own.filter(({ code }) => code !== 0);
  const cause = failed.find(({ stderr }) => !LOST_CONNECTION.test(stderr)) ?? failed[0] ?? own[0];
  return cause ? died(cause, during) : new EngineDied(`The ranks failed during ${during}.`);
}

/**
 * @param stopped names of the ranks that a signal (SIGSTOP) has stopped
 * @param seconds for which there was no progress
 */
export function hangError(ends: RankEnd[], stopped: string[], during: string, seconds: number): Error {
  const where = ends.map((end) => {
    const at = stopped.includes(end.name)
      ? 'is stopped by a signal'
      : `is in ${placeOf(end.stderr) ?? 'an unknown place'}`;
    return `${end.name} ${at}`;
  });
  return new EngineDied(
    `The ranks made no progress for ${seconds} s during ${during} and were killed: ${where.join('; ')}.`,
  );
}

const died = (end: RankEnd, during: string) =>
  new EngineDied(`${rootCause(end.stderr) ?? `${end.name} ${howOf(end)}`} during ${during}.${lastWords(end)}`);

const howOf = ({ code, signal }: RankEnd) =>
  signal === 'SIGKILL'
    ? 'was killed (SIGKILL), most often because the machine ran out of memory,'
    : `ended with ${signal ?? `exit code ${code}`}`;

/** Characters of a rank's stderr in an error. */
const LAST_WORDS = 2000;

function lastWords({ stderr }: RankEnd): string {
  const words = stderr.trim().slice(-LAST_WORDS);
  return words && ` Its stderr: ${words}`;
}

/** Where a rank is: the innermost frame of the stack that Python's faulthandler wrote to stderr, and the innermost of selm_torch. */
function placeOf(stderr: string): string | undefined {
  const start = stderr.lastIndexOf('Current thread');
  if (start < 0) return undefined;
  const frames = [...stderr.slice(start).matchAll(/File "([^"]+)", line (\d+) in (\S+)/g)];
  const innermost = frames[0];
  const own = frames.find(([, file]) => file.includes('/selm_torch/'));
  return [innermost, ...(own && own !== innermost ? [own] : [])]
    .map(([, file, line, name]) => `${name} (${file}:${line})`)
    .join(', called by ');
}
