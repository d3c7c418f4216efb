/** Simulates a bad network: an HTTP proxy that injects faults of networks and servers into requests. */
import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export type Fault =
  /** The server is overloaded: S3's SlowDown error. */
  | { kind: 'busy' }
  /** Too many requests: the client may retry after `retryAfter` seconds. */
  | { kind: 'limited'; retryAfter: number }
  /** The connection is closed after `after` bytes of the response body. */
  | { kind: 'cut-answer'; after: number }
  /** The connection is closed after `after` bytes of the request body; the server sees a truncated request. */
  | { kind: 'cut-request'; after: number }
  /** The response stalls after `after` bytes of its body; the connection stays open. */
  | { kind: 'stall'; after: number }
  /** The response body has the correct length but wrong content. */
  | { kind: 'garble' };

export interface FaultProxy {
  port: number;
  /** Chooses the fault of a request. Undefined: the request is forwarded. */
  fault: (method: string, path: string, headers: IncomingHttpHeaders) => Fault | undefined;
  /** The injected faults. */
  readonly done: Fault[];
  /** Number of stalled responses. */
  stalled: number;
  stop(): void;
}

export async function startFaultProxy(target: number): Promise<FaultProxy> {
  const proxy: FaultProxy = { port: 0, fault: () => undefined, done: [], stalled: 0, stop: () => {} };
  const server = createServer((incoming, outgoing) => {
    const fault = proxy.fault(incoming.method!, incoming.url!, incoming.headers);
    if (fault) proxy.done.push(fault);
    if (fault?.kind === 'busy') return refuse(incoming, outgoing, 503, {});
    if (fault?.kind === 'limited') return refuse(incoming, outgoing, 429, { 'retry-after': String(fault.retryAfter) });
    forward(target, incoming, outgoing, fault, () => proxy.stalled++);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.port = (server.address() as AddressInfo).port;
  proxy.stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return proxy;
}

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
): void {
  incoming.resume();
  incoming.once('end', () => {
    outgoing.writeHead(status, { 'content-type': 'application/xml', ...headers });
    outgoing.end(
      '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
    );
  });
}

function forward(
  port: number,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Fault | undefined,
  onStall: () => void,
): void {
  // The request's signature covers its Host header, so headers are forwarded unchanged.
  const { method, url: path, headers } = incoming;
  const onward = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers);
    let sent = 0;
    answer.on('data', (chunk: Buffer) => {
      const room =
        fault && 'after' in fault && fault.kind !== 'cut-request' ? Math.max(fault.after - sent, 0) : Infinity;
      sent += chunk.length;
      if (fault?.kind === 'garble') outgoing.write(chunk.map((byte) => byte ^ 1));
      else if (chunk.length < room) outgoing.write(chunk);
      else outgoing.write(chunk.subarray(0, room), () => void (fault?.kind === 'cut-answer' && outgoing.destroy()));
    });
    answer.once('end', () => void (fault?.kind === 'stall' ? onStall() : outgoing.end()));
    answer.once('error', () => outgoing.destroy());
  });
  onward.once('error', () => outgoing.destroy());
  let received = 0;
  incoming.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (fault?.kind === 'cut-request' && received > fault.after) {
      onward.destroy();
      incoming.destroy();
    } else onward.write(chunk);
  });
  incoming.once('end', () => onward.end());
}
