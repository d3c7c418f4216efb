/** Whether a parser has dealt with an input as it should. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../data/errors.ts';
import type { Parser } from './parser.ts';

const LONGEST_MESSAGE = 1005;
/** Of the processor. A template or an expression of the user's may compute for 5 s, and be tried once more by itself. */
const MOST_SECONDS = 30;
const MOST_MEGABYTES = 1500;

/** What nobody waits for, while a case is read. */
const stray: unknown[] = [];

/** Keeps errors that nobody handles for the case in which they come, instead of ending the process. */
export function keepStrayErrors(): void {
  process.on('unhandledRejection', (reason) => stray.push(reason));
  process.on('uncaughtException', (error) => stray.push(error));
}

/** @returns the fault; none where the input was read, or refused in one sentence */
export async function faultOf(parser: Parser, input: Buffer): Promise<string | undefined> {
  const { file } = parser;
  if (file !== undefined) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, input);
  }
  stray.length = 0;
  const start = process.cpuUsage();
  let fault: string | undefined;
  try {
    await parser.read(input);
  } catch (error) {
    fault = faultIn(error, parser);
  }
  const { user, system } = process.cpuUsage(start);
  // Rejections without a handler are told of after the promises that are ready.
  await setImmediate();
  if (stray.length > 0) return `left an error to nobody: ${inFull(stray[0])}`;
  if (fault !== undefined) return fault;
  const seconds = (user + system) / 1e6;
  if (seconds > MOST_SECONDS) return `took ${seconds.toFixed(0)} s of the processor`;
  const megabytes = process.memoryUsage().rss / 2 ** 20;
  return megabytes > MOST_MEGABYTES ? `took ${megabytes.toFixed(0)} MiB of memory` : undefined;
}

function faultIn(error: unknown, { file, names = file, errors = [], takesAll }: Parser): string | undefined {
  if (takesAll) return `refused what it must take: ${inFull(error)}`;
  const isExpected = [InputError, ...errors].some((type) => error instanceof type);
  if (!isExpected) return `threw another error than an InputError: ${inFull(error)}`;
  const { message } = error as Error;
  if (/\p{Cc}|[\u2028\u2029]/u.test(message))
    return `said more than one line: ${JSON.stringify(message.slice(0, LONGEST_MESSAGE))}`;
  if (message.length > LONGEST_MESSAGE)
    return `said ${message.length} characters: ${message.slice(0, LONGEST_MESSAGE)}`;
  if (names !== undefined && !message.includes(names)) return `did not name ${names}: ${message}`;
  return undefined;
}

const MOST_LINES = 12;

function inFull(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text
    .split('\n', MOST_LINES)
    .map((line) => line.slice(0, LONGEST_MESSAGE))
    .join('\n    ');
}
