/** How an HTTP server of the command line ends beside requests that do not. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { listen } from '../../cli/listen.ts';

/** A response of 1 MB pieces that never ends. */
const endless = () =>
  new Response(
    new ReadableStream({
      async pull(controller) {
        await new Promise((next) => setTimeout(next, 20));
        controller.enqueue(new Uint8Array(2 ** 20));
      },
    }),
  );

test.each([
  ['reads', true],
  ['does not read', false],
])('a request that does not end is ended after a stop signal, if its client %s', async (_, reads) => {
  let listening: Promise<void>;
  const address = await new Promise<string>((say) => {
    listening = listen({ fetch: endless }, { host: '127.0.0.1', port: 0 }, say);
  });
  const client = connect(Number(new URL(address).port), '127.0.0.1');
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  if (reads) client.resume();
  await once(client, reads ? 'data' : 'readable');
  const before = performance.now();
  process.emit('SIGTERM');
  await listening!;
  // The limit is 10 s. A client that reads all the time has them.
  if (reads) expect(performance.now() - before).toBeGreaterThan(9000);
  client.destroy();
});
