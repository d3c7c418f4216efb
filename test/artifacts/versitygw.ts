/** A real S3 server for tests: versitygw over a temporary folder, built once with Go. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { cacheFolder } from '../../workers/places.ts';
import { freePort } from '../free-port.ts';

const GO_PACKAGE = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';

export const credentials = { accessKeyId: 'selm-test', secretAccessKey: 'no-secret-at-all' };

export interface S3Server {
  port: number;
  /** The folder that contains the buckets, as subfolders. */
  root: string;
  stop(): Promise<void>;
}

function findVersitygw(): string {
  const folder = join(cacheFolder(), 'bin');
  const path = join(folder, 'versitygw');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  execFileSync('go', ['install', GO_PACKAGE], { env: { ...process.env, GOBIN: folder }, stdio: 'ignore' });
  return path;
}

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
  const server = spawn(findVersitygw(), ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', root], {
    env,
    stdio: 'ignore',
  });
  for (let tries = 0; tries < 100 && !(await listens(port)); tries++) await sleep(50);
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
