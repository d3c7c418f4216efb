/** `fetch` that has the whole answer, within a limit of time, and without the key in it; errors in OpenAI's form. */
import { unlessAborted } from './abort.ts';
import { openAiErrorBody } from './refusals.ts';

/**
 * @param strip applied to the body: servers echo keys
 * @returns rejects with a connection's error, with the caller's abort, or when the body is not complete in time
 */
export function fetchWhole(seconds: number, strip: (text: string) => string): typeof fetch {
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
          const text = strip(await response.text());
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
