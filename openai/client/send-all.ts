/** Sends many requests of which all must succeed. */

/**
 * Sends all requests at the same time; the client limits how many of them the server gets at once.
 * @param send sends the request for one item. Its signal is aborted when `signal` is, and when another request fails
 * @returns the results, in the order of the items
 * @throws the first failure, after all other requests have ended
 */
export async function sendAll<Item, Result>(
  items: readonly Item[],
  send: (item: Item, signal: AbortSignal) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result[]> {
  const failed = new AbortController();
  const stop = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const sent = items.map(async (item) => send(item, stop));
  try {
    return await Promise.all(sent);
  } catch (error) {
    failed.abort(error);
    // Responses that were received before the failure may still be written to a cache.
    await Promise.allSettled(sent);
    throw error;
  }
}
