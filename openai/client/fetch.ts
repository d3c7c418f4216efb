/** A `fetch` that limits the time of the whole response, removes the API key from the body and normalizes error bodies. */
import type { Secret } from '../../data/secret.ts';
import { unlessAborted } from './abort.ts';
import { openAiErrorBody } from './refusals.ts';

/**
 * @param seconds timeout of the complete response
 * @param key API key to remove from the body; some servers repeat it in error messages
 * @returns a `fetch` that rejects with a connection error, with the reason of the caller's signal, or after `seconds`
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
      // Aborting a request does not always end the read of a stalled body.
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
