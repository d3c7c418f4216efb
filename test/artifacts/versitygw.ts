/** A real S3 server for tests: versitygw over a temporary folder, built once with Go. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { freePort } from '../free-port.ts';
import { goPrograms } from '../made-once.ts';
import { until } from '../until.ts';

const VERSION = 'v1.8.0';
const GO_PACKAGE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;

export const credentials = { accessKeyId: 'selm-test', secretAccessKey: 'no-secret-at-all' };

export interface S3Server {
  port: number;
  /** The folder that contains the buckets, as subfolders. */
  root: string;
  stop(): Promise<void>;
}

export const findVersitygw = async (): Promise<string> =>
  join(await goPrograms(`versitygw-${VERSION}`, { versitygw: GO_PACKAGE }), 'versitygw');

/** Starts the server. @param buckets names of buckets, which are created before it starts */
export async function startVersitygw(folder: string, buckets: string[]): Promise<S3Server> {
  const root = join(folder, 'buckets');
  for (const bucket of buckets) mkdirSync(join(root, bucket), { recursive: true });
  const port = await freePort();
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY: credentials.accessKeyId,
    ROOT_SECRET_KEY: credentials.secretAccessKey,
  };
  const server = spawn(await findVersitygw(), ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', root], {
    env,
    stdio: 'ignore',
  });
  await until('versitygw listens', () => listens(port));
  return {
    port,
    root,
    async stop() {
      const exited = once(server, 'exit');
      server.kill();
      await exited;
    },
  };
}

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const probe = request({ port, host: '127.0.0.1' }, (answer) => resolve(Boolean(answer.resume())));
    probe.once('error', () => resolve(false)).end();
  });

/** Configuration of a client for the server, or for a proxy in front of it. */
export const clientConfig = (port: number): S3ClientConfig => ({
  endpoint: `http://127.0.0.1:${port}`,
  region: 'us-east-1',
  credentials,
  forcePathStyle: true,
});
