/** `fetch` that has the whole answer, within a limit of time, and without the key in it; errors in OpenAI's form. */
import type { Secret } from '../../data/secret.ts';
import { unlessAborted } from './abort.ts';
import { openAiErrorBody } from './refusals.ts';

/**
 * @param key removed from the body: servers echo it
 * @returns rejects with a connection's error, with the caller's abort, or when the body is not complete in time
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
      // A body that stalls does not always end with the signal that its request was given.
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
