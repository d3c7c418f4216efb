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
  /** For generate: time from the start of the process until the model is open. */
  startSeconds?: number;
  /** For optimize: time of the whole job, including opening sessions and scoring with the reference policy. */
  jobSeconds?: number;
  /** For optimize: the part of `seconds` that the reference policy takes. */
  referenceSeconds?: number;
  /** For a round: the time of its engine jobs. */
  engineSeconds?: number;
  /** For a round: the time of the same round in another run, which reuses the artifacts of all its steps. */
  reusedSeconds?: number;
  /** For a profile: the time of a step by its parts. */
  profile?: Profile;
  /** For matmul: rate of a matrix product. */
  gigaflops?: number;
  /** Memory read rate: a product of one row with a matrix larger than the caches. */
  gigabytesPerSecond?: number;
}

/** A result with the peak memory of its process. */
export interface Measurement extends Measured {
  peakMebibytes: number;
}

/** The JSON line that a process prints. `values` are its losses, log-probabilities or tokens, for comparison between sides. */
export interface Printed extends Measured {
  values?: number[] | number[][];
}

/** A measurement whose process failed or exceeded the memory limit. */
export class MeasurementFailed extends Error {
  override readonly name = 'MeasurementFailed';
}

const POLL_MILLISECONDS = 50;
/** The share of free memory that a process may use. Beyond it the process is killed, so that the machine stays usable. */
const MEMORY_SHARE = 0.8;
const LAST_WORDS = 300;
const megabytes = (status: string, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;

interface MeasureOptions {
  env?: NodeJS.ProcessEnv;
  /** Whether memory is the sum over the process and its descendants. */
  family?: boolean;
}

/** Runs a measurement. @throws MeasurementFailed when the process fails or needs more memory than available */
export async function measure(
  command: string,
  args: string[],
  { env, family = false }: MeasureOptions = {},
): Promise<Measurement & { lines: string[] }> {
  const limit = (MEMORY_SHARE * freemem()) / 2 ** 20;
  const child = spawn(command, args, {
    env: { ...process.env, ...env, BENCH_STARTED: String(Date.now() / 1000) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, words, peak, tooLarge] = ['', '', 0, false];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-LAST_WORDS)));
  const poll = setInterval(() => {
    const statuses = (family ? familyOf(child.pid!) : [child.pid!]).map(statusOf);
    const sum = (field: string) => statuses.reduce((total, status) => total + megabytes(status, field), 0);
    peak = Math.max(peak, sum(family ? 'VmRSS' : 'VmHWM'));
    tooLarge ||= sum('VmRSS') > limit;
    if (tooLarge) child.kill('SIGKILL');
  }, POLL_MILLISECONDS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(poll);
  if (tooLarge) throw new MeasurementFailed(`needs more than ${Math.floor(limit)} MiB of memory`);
  if (code !== 0) throw new MeasurementFailed(`ended with ${code ?? 'a signal'}: ${words.trim().split('\n').at(-1)}`);
  return { seconds: 0, peakMebibytes: Math.round(peak), lines: out.trim().split('\n') };
}

/** A measurement by a script that prints one JSON line at its end. */
export async function measureScript(
  command: string,
  args: string[],
  options?: MeasureOptions,
): Promise<Measurement & Pick<Printed, 'values'>> {
  const { lines, peakMebibytes } = await measure(command, args, options);
  return { ...(JSON.parse(lines.at(-1)!) as Printed), peakMebibytes };
}

/** A process and its descendants. */
function familyOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...(children === '' ? [] : children.split(' ')).flatMap((child) => familyOf(Number(child)))];
  } catch {
    return [];
  }
}

/** The kernel's status of a process. Empty if the process has ended. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
