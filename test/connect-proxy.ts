/** An HTTP CONNECT proxy, the only way to hosts that no DNS knows: every host is this machine. */
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterAll } from 'vitest';

/** @returns its URL, and the hosts and ports that clients have connected to; the proxy ends with the test file */
export async function startConnectProxy(): Promise<{ url: string; targets: string[] }> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer((_, response) => response.writeHead(405).end());
  proxy.on('connect', ({ url }, client: Socket, head) => {
    targets.push(url!);
    const upstream = connect(Number(url!.split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const [socket, peer] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(socket);
      socket.on('error', () => peer.destroy()).on('close', () => peer.destroy());
    }
  });
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, targets };
}
