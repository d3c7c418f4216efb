/** moto, an implementation of AWS's APIs in Python with EC2's own data of instance types and zones. It is installed from PyPI once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { pythonEnvironment } from './made-once.ts';

const MOTO = '5.2.5';
const REGION = 'us-east-1';

/** The account that moto's credentials belong to. */
export const MOTO_ACCOUNT = '123456789012';

/** The path of moto's server. */
export const findMoto = async (): Promise<string> =>
  join(await pythonEnvironment(`moto-${MOTO}`, `moto[server]==${MOTO}`), 'moto_server');

/** Starts a server with an empty account. @returns its address, the environment of a process whose AWS it is, and what stops it */
export async function startMoto(): Promise<{ url: string; env: Record<string, string>; stop: () => Promise<void> }> {
  const executable = await findMoto();
  const port = await freePort();
  const server = spawn(executable, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const ended = once(server, 'exit');
  const stop = async () => {
    // It has nothing to save, and ends late on SIGTERM.
    server.kill('SIGKILL');
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  // It tells nobody when it listens.
  for (;;) {
    if (server.exitCode !== null) throw new Error(`moto_server has ended with ${server.exitCode}`);
    const reached = await fetch(`${url}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (reached) return { url, env: awsEnvironment(url), stop };
    await sleep(100);
  }
}

/** Empties the account. */
export const resetMoto = (url: string) => fetch(`${url}/moto-api/reset`, { method: 'POST' });

/** The environment of a process whose AWS is at `url`. */
const awsEnvironment = (url: string): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_REGION: REGION,
  AWS_ENDPOINT_URL: url,
  AWS_PROFILE: '',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
});
