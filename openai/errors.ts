/** What a server's refusals and failures mean: try again at once, try again later, leave this request, correct the settings. */
import { APIConnectionError, APIError } from 'openai';
import { InputError } from '../data/errors.ts';

/** The server does not take this one request: it is too long for its model, against its rules, … Others may be answered. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  /** The server's own words. */
  readonly said: string;

  constructor(message: string, said: string) {
    super(message);
    this.said = said;
  }
}

/** The server has no such path or model: an adapter, say, that somebody has unloaded. */
export class NotThere extends InputError {
  /** The server's own words. */
  readonly said: string;

  constructor(message: string, said: string) {
    super(message);
    this.said = said;
  }
}

/** An answer came, and is not what was asked for: cut short, of something in between, or about an error. */
export class UnreadableAnswer extends Error {
  override readonly name = 'UnreadableAnswer';
}

const TEMPORARY = [408, 409, 429];
const OF_THE_REQUEST = [400, 413, 422];

const statusOf = (error: unknown) => (error instanceof APIError ? (error.status as number | undefined) : undefined);

/** Whether the same request may well be answered the next time. */
export function isTemporary(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status >= 500 || TEMPORARY.includes(status);
  return error instanceof APIConnectionError || error instanceof UnreadableAnswer;
}

/** How long the server wants to be left alone, in milliseconds, where it says so: `Retry-After` has seconds or a date. */
export function retryAfter(error: unknown): number | undefined {
  const header = error instanceof APIError ? (error.headers as Headers | undefined)?.get('retry-after') : undefined;
  if (!header) return undefined;
  const milliseconds = /^[\d.]+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(milliseconds, 0);
}

export interface Asked {
  url: string;
  path: string;
  model: string;
  key: { variable: string; value?: string };
  attempts: number;
}

/**
 * What is told to the user of the error that the last attempt ended with.
 * @returns InputError where the settings are wrong, RequestRefused where this request is, else an error that may be gone when
 *   all is tried again later
 */
export function explain(error: unknown, { url, path, model, key, attempts }: Asked): Error {
  const status = statusOf(error);
  if (isTemporary(error)) {
    return new Error(`${url} gave no answer (attempts: ${attempts}); the last ended with: ${wordsOf(error)}`);
  }
  // A fault of this program.
  if (status === undefined) return error as Error;
  const said = wordsOf(error);
  if (OF_THE_REQUEST.includes(status)) return new RequestRefused(`${url} does not take the request (${said})`, said);
  if (status === 401) {
    return new InputError(
      key.value === undefined
        ? `${url} asks for a key (${said}); set the environment variable ${key.variable}.`
        : `${url} does not accept the key (${said}); set the environment variable ${key.variable} to a valid one.`,
    );
  }
  if (status === 403) {
    return new InputError(`${url} does not let this key use "${model}" (${said}); use another model, or a key that may.`); // prettier-ignore
  }
  if (status === 404) {
    return new NotThere(`${url} has no ${path}, or no model "${model}" (${said}); correct the address, which mostly ends in /v1, or the model.`, said); // prettier-ignore
  }
  return new InputError(`${url} does not answer (${said}); correct what it asks for.`);
}

const MOST_CHARACTERS = 300;

/** What an error says, in a line: the body of an answer may be a page, and "Connection error." is not all that is known. */
function wordsOf(error: unknown): string {
  const { cause, message, code } = error as Error & { code?: string };
  if (cause instanceof Error) return wordsOf(cause);
  return (message || String(code)).trim().split('\n')[0].slice(0, MOST_CHARACTERS);
}
