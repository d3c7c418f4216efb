/** One measurement: a process of its own that prints what it measured as its last line; its peak memory is read while it runs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import type { Profile } from './profile.ts';

/** What a process measured; a field is there where it makes sense. */
interface Measured {
  /** Of the work: a step's, a batch's, a round's; what opens a process or a model is not in it. */
  seconds: number;
  /** Tokens that `seconds` brought forth. */
  tokens?: number;
  /** Share of `seconds` after all prompts were read, and the tokens decoded in it. */
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
  /** Of a product of one row with a matrix that no cache holds: the rate at which memory is read. */
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
/** A process may use so much of the memory that is free when it starts: beyond that it is ended, before the machine is. */
const MEMORY_SHARE = 0.8;
const LAST_WORDS = 300;
const megabytes = (status: string, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;

/** @throws MeasurementFailed when the process fails, or asks for more memory than there is */
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

/** The kernel's account of a process; empty once it is gone. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
