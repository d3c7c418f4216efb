/** A local HTTP server that keeps what it is sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

export interface Recorded {
  method: string;
  path: string;
  body: string;
}

/** @param answer gives status and JSON body */
export async function startRecording(
  answer: (request: Recorded) => [number, unknown] = () => [200, {}],
): Promise<{ url: string; requests: Recorded[] }> {
  const requests: Recorded[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const recorded = { method: request.method!, path: request.url!, body: Buffer.concat(chunks).toString() };
      requests.push(recorded);
      const [status, body] = answer(recorded);
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}
