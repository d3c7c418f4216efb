/** A `fetch` with a time limit for the whole response, which removes the key from the body and normalizes errors. */
import type { Secret } from '../../data/secret.ts';
import { unlessAborted } from './abort.ts';
import { openAiErrorBody } from './refusals.ts';

/**
 * @param seconds for the complete response
 * @param key removed from the body, since servers echo it
 * @returns a `fetch` that rejects with an error of the connection, with the caller's abort, or after `seconds`
 */
export function fetchWhole(seconds: number, key?: Secret): typeof fetch {
  return async (url, init = {}) => {
    const ended = new AbortController();
    const caller = init.signal;
    const abort = () => ended.abort(caller!.reason);
    caller?.addEventListener('abort', abort);
    const timer = setTimeout(() => ended.abort(new Error(`no complete answer in ${seconds} s`)), seconds * 1000);
    try {
      const { signal } = ended;
      // A stalled body does not always end with the signal of its request.
      return await unlessAborted(
        fetch(url, { ...init, signal }).then(async (response) => {
          const { status, headers } = response;
          const body = await response.text();
          const text = key?.stripBody(body) ?? body;
          return new Response((response.ok ? text : openAiErrorBody(text)) || null, { status, headers });
        }),
        signal,
      );
    } finally {
      clearTimeout(timer);
      caller?.removeEventListener('abort', abort);
    }
  };
}
