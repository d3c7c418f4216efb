/** One measurement: a separate process that prints its result as the last line. Its peak memory is read while it runs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import type { Profile } from './profile.ts';

/** The result of a process. Fields that do not apply are absent. */
interface Measured {
  /** Time of a step, a batch or a round, without starting the process or opening the model. */
  seconds: number;
  /** Tokens generated in `seconds`. */
  tokens?: number;
  /** The part of `seconds` after the prompts were processed, and the tokens decoded in it. */
  decodeSeconds?: number;
  decodedTokens?: number;
  /** Of optimize: all steps with everything around them, sessions opened, references scored. */
  jobSeconds?: number;
  /** Of optimize: the reference policy's part of `seconds`. */
  referenceSeconds?: number;
  /** Of a round: the jobs of the engine in it. */
  engineSeconds?: number;
  /** Of a profile: where a step's time goes. */
  profile?: Profile;
  /** Of a matrix product. */
  gigaflops?: number;
  /** Memory read rate: a product of one row with a matrix larger than the caches. */
  gigabytesPerSecond?: number;
}

export interface Measurement extends Measured {
  peakMegabytes: number;
}

/** A process as it prints it: with what was computed (losses, log-probabilities, tokens), to hold the sides against each other. */
export interface Printed extends Measured {
  values?: number[] | number[][];
}

export class MeasurementFailed extends Error {
  override readonly name = 'MeasurementFailed';
}

const POLL_MILLISECONDS = 50;
/** The share of free memory that a process may use. Beyond it the process is killed, so that the machine stays usable. */
const MEMORY_SHARE = 0.8;
const LAST_WORDS = 300;
const megabytes = (status: string, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;

/** Runs a measurement. @throws MeasurementFailed when the process fails or needs more memory than available */
export async function measure(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Measurement & { lines: string[] }> {
  const limit = (MEMORY_SHARE * freemem()) / 2 ** 20;
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, words, peak, tooLarge] = ['', '', 0, false];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-LAST_WORDS)));
  const poll = setInterval(() => {
    const status = statusOf(child.pid!);
    peak = Math.max(peak, megabytes(status, 'VmHWM'));
    tooLarge ||= megabytes(status, 'VmRSS') > limit;
    if (tooLarge) child.kill('SIGKILL');
  }, POLL_MILLISECONDS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(poll);
  if (tooLarge) throw new MeasurementFailed(`needs more than ${Math.floor(limit)} MB of memory`);
  if (code !== 0) throw new MeasurementFailed(`ended with ${code ?? 'a signal'}: ${words.trim().split('\n').at(-1)}`);
  return { seconds: 0, peakMegabytes: Math.round(peak), lines: out.trim().split('\n') };
}

/** A measurement by a script that prints one JSON line at its end. */
export async function measureScript(
  command: string,
  args: string[],
  env?: NodeJS.ProcessEnv,
): Promise<Measurement & Pick<Printed, 'values'>> {
  const { lines, peakMegabytes } = await measure(command, args, env);
  return { ...(JSON.parse(lines.at(-1)!) as Printed), peakMegabytes };
}

/** The kernel's status of a process. Empty if the process has ended. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
