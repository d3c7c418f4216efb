/** Classifies a server's error: retry, skip this request, or correct the settings. */
import { APIConnectionError, APIError } from 'openai';
import { InputError } from '../../data/errors.ts';
import { NotOnServer, RequestRefused, ServerFailed, UnreadableResponse } from '../errors.ts';
import type { Key } from './key.ts';
import { isInvalidKey, isOutOfQuota, isTooLong, isUnknownModel, refusedParameter, wordsOf } from './refusals.ts';

const TOO_MANY = 429;
const TEMPORARY = [408, 409, TOO_MANY];
const OF_THE_REQUEST = [400, 413, 422];

const statusOf = (error: unknown) => (error instanceof APIError ? (error.status as number | undefined) : undefined);

/** Whether the server rejects this request because of its content. */
export const isOfTheRequest = (error: unknown): boolean => OF_THE_REQUEST.includes(statusOf(error) ?? 0);

/** Whether a retry of the same request may succeed. */
export function isTemporary(error: unknown): boolean {
  const status = statusOf(error);
  if (status === TOO_MANY) return !isOutOfQuota(error);
  if (status !== undefined) return status >= 500 || TEMPORARY.includes(status);
  return error instanceof APIConnectionError || error instanceof UnreadableResponse;
}

/** The delay in the `Retry-After` header (seconds or a date), in milliseconds; undefined if the header is missing or invalid. */
export function retryAfter(error: unknown): number | undefined {
  const header = error instanceof APIError ? (error.headers as Headers | undefined)?.get('retry-after') : undefined;
  if (!header) return undefined;
  const milliseconds = /^[\d.]+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(milliseconds, 0);
}

/** A server that asks for more time than this gets no further attempt of this request: its quota of the day may be spent. */
export const LONGEST_WAIT = 10 * 60_000;

/** The request that failed. */
interface FailedRequest {
  url: string;
  path: string;
  model: string;
  key: Key;
  attempts: number;
}

/**
 * The error for the user, from the error of the last attempt.
 * @returns InputError for wrong settings (NotOnServer for a wrong path or model), RequestRefused for a rejected request,
 *   ServerFailed for a temporary error
 */
export function explain(error: unknown, { url, path, model, key, attempts }: FailedRequest): Error {
  const status = statusOf(error);
  const said = wordsOf(error);
  if (isTemporary(error)) {
    const wait = retryAfter(error) ?? 0;
    const asked = wait > LONGEST_WAIT ? `; it asks to wait ${(wait / 3600_000).toFixed(1)} hours` : '';
    const advice = status === TOO_MANY ? '; set requestsPerMinute, or a lower concurrency' : '';
    return new ServerFailed(`${url} gave no answer (attempts: ${attempts}); last error: ${said}${asked}${advice}`);
  }
  // The error is not from the server: a bug.
  if (status === undefined) return error as Error;
  if (status === 402 || isOutOfQuota(error)) {
    return new InputError(
      `${url} has no quota left for this key (${said}); add credit or raise the limit of its account, ` +
        `or set the environment variable ${key.variable} to another key.`,
    );
  }
  if (status === 401 || isInvalidKey(error)) {
    return new InputError(
      key.secret === undefined
        ? `${url} requires a key (${said}); set the environment variable ${key.variable}.`
        : `${url} does not accept the key (${said}); set the environment variable ${key.variable} to a valid one.`,
    );
  }
  if (status === 403) {
    return new InputError(
      `${url} does not allow this key to use "${model}" (${said}); use another model or another key.`,
    );
  }
  if (isUnknownModel(error)) {
    return new NotOnServer(
      `${url} has no model "${model}" for ${path} (${said}); correct the model's name: ${url}/models lists them.`,
      said,
    );
  }
  if (status === 404) {
    return new NotOnServer(
      `${url} has no ${path}, or no model "${model}" (${said}); ` +
        'correct the address, which usually ends in /v1, or the model.',
      said,
    );
  }
  if (isOfTheRequest(error)) {
    const parameter = refusedParameter(error);
    return new RequestRefused(`${url} rejected the request (${said})`, {
      said,
      isTooLong: status === 413 || isTooLong(error),
      ...(parameter !== undefined && { parameter }),
    });
  }
  return new InputError(
    `${url} rejected the request to ${path} (${said}); correct the address, which usually ends in /v1.`,
  );
}
