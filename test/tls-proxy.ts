/** TLS in front of a server that speaks plain gRPC: with certificates made here, for clients that show one or a key. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';

export interface Certificates {
  /** Files in PEM. */
  ca: string;
  server: { cert: string; key: string };
  client: { cert: string; key: string };
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** @param names subject alternative names of the certificates */
export function makeCertificates(folder: string, names = ['DNS:temporal.test', 'IP:127.0.0.1']): Certificates {
  const file = (name: string) => join(folder, name);
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=selm test CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  );
  writeFileSync(file('names'), `subjectAltName=${names.join(',')}\n`);
  const issue = (name: string) => {
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
    );
    openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      '-CA',
      file('ca.pem'),
      '-CAkey',
      file('ca.key'),
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      file('names'),
      '-out',
      file(`${name}.pem`),
    );
    return { cert: file(`${name}.pem`), key: file(`${name}.key`) };
  };
  return { ca: file('ca.pem'), server: issue('server'), client: issue('client') };
}

/** Which clients the proxy accepts: those with a certificate of the CA, or with an API key. */
export interface Door {
  clientCertificate?: boolean;
  apiKey?: string;
}

const UNAUTHENTICATED = '16';

/** Waits for a server that is about to start. */
async function listens(target: string): Promise<void> {
  const [host, port] = target.split(':');
  for (;;) {
    const socket = connectTcp(Number(port), host);
    const open = await new Promise<boolean>((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    );
    socket.destroy();
    if (open) return;
    await sleep(100);
  }
}

/** @returns the address; the proxy ends with the test file */
export async function startTlsProxy(target: string, certificates: Certificates, door: Door): Promise<string> {
  const { cert, key } = certificates.server;
  const proxy = createSecureServer({
    cert: readFileSync(cert),
    key: readFileSync(key),
    ca: readFileSync(certificates.ca),
    requestCert: door.clientCertificate === true,
    rejectUnauthorized: door.clientCertificate === true,
  });
  await listens(target);
  const upstream = connect(`http://${target}`).on('error', () => {});
  proxy.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    if (door.apiKey !== undefined && headers['authorization'] !== `Bearer ${door.apiKey}`) {
      return stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': UNAUTHENTICATED,
          'grpc-message': 'no such key',
        },
        { endStream: true },
      );
    }
    // The server is gone.
    if (upstream.destroyed) return stream.close();
    const { connection: _, ...rest } = headers;
    const request = upstream.request({ ...rest, ':scheme': 'http' });
    stream.on('close', () => request.close());
    request.on('error', () => stream.close());
    let trailers: Record<string, unknown> = {};
    request.on('trailers', (received: Record<string, unknown>) => (trailers = received));
    request.on('response', (received, flags) => {
      if (flags & 1) return stream.respond(received, { endStream: true });
      stream.respond(received, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers as never));
      request.pipe(stream);
    });
    stream.pipe(request);
  });
  proxy.on('error', () => {});
  proxy.on('sessionError', () => {});
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  afterAll(() => {
    upstream.destroy();
    proxy.close();
  });
  return `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}
