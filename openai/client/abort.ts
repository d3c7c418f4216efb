/** Awaits a promise until a signal is aborted. */

/**
 * @returns the result of `work`; rejects with the signal's reason as soon as the signal is aborted. `work` itself is not stopped, and
 *   its result is then ignored.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
