/** All requests are sent at the same time, and the failure of one aborts the others. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sendAll } from '../../../openai/client/send-all.ts';

/** Requests that a test answers by hand, and that end when they are aborted. */
function requests() {
  const pending = new Map<string, { answer: (text: string) => void; fail: (error: Error) => void }>();
  const aborted: string[] = [];
  const send = (item: string, signal: AbortSignal): Promise<string> =>
    new Promise((answer, fail) => {
      pending.set(item, { answer, fail });
      const abort = () => {
        aborted.push(item);
        fail(signal.reason as Error);
      };
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
    });
  return { send, aborted, of: (item: string) => pending.get(item)! };
}

test('the results have the order of the items', async () => {
  const { send, aborted, of } = requests();
  const sent = sendAll(['a', 'b', 'c'], send);
  for (const item of ['c', 'a', 'b']) of(item).answer(item.toUpperCase());
  expect(await sent).toEqual(['A', 'B', 'C']);
  expect(aborted).toEqual([]);
  expect(await sendAll([], send)).toEqual([]);
});

test('the first failure aborts the other requests, and is thrown', async () => {
  const { send, aborted, of } = requests();
  const sent = sendAll(['a', 'b', 'c', 'd'], send);
  of('a').answer('A');
  of('c').fail(new Error('gone'));
  await expect(sent).rejects.toThrow('gone');
  expect(aborted).toEqual(expect.arrayContaining(['b', 'd']));
});

test('a failure before a request is sent is one of that request', async () => {
  const { send, aborted } = requests();
  const sent = sendAll(['a', 'b'], (item, signal) => {
    if (item === 'b') throw new Error('no key');
    return send(item, signal);
  });
  await expect(sent).rejects.toThrow('no key');
  expect(aborted).toEqual(['a']);
});

test('a failure is thrown after all other requests have ended', async () => {
  const { send, of } = requests();
  let stored!: () => void;
  const cached = new Promise<void>((resolve) => (stored = resolve));
  const sent = sendAll(['a', 'b'], async (item, signal) => {
    const answer = await send(item, signal);
    await cached;
    return answer;
  });
  let ended = false;
  const failure = sent.catch((error: Error) => error).finally(() => (ended = true));
  of('a').answer('A');
  of('b').fail(new Error('gone'));
  await setImmediate();
  expect(ended).toBe(false);
  stored();
  expect(await failure).toEqual(new Error('gone'));
});

test("the caller's signal aborts all requests with its reason", async () => {
  const { send, aborted } = requests();
  const caller = new AbortController();
  const sent = sendAll(['a', 'b'], send, caller.signal);
  caller.abort(new Error('cancelled'));
  await expect(sent).rejects.toThrow('cancelled');
  expect(aborted).toEqual(['a', 'b']);
  await expect(sendAll(['c'], send, caller.signal)).rejects.toThrow('cancelled');
  expect(aborted).toEqual(['a', 'b', 'c']);
});
