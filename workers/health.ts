/** Health check of a worker, for supervisors on the same machine: HTTP on SELM_HEALTH_PORT. */
import { createServer } from 'node:http';
import type { Worker } from '@temporalio/worker';
import { InputError } from '../data/errors.ts';

/** The port from SELM_HEALTH_PORT, if set. @throws InputError when it is not a port */
export function healthPort(): number | undefined {
  const given = process.env['SELM_HEALTH_PORT'];
  if (given === undefined) return undefined;
  const port = Number(given);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new InputError(`SELM_HEALTH_PORT=${given} is no port; give a number from 1 to 65535.`);
  }
  return port;
}

/** Answers 200 while all workers poll for tasks, otherwise 503. @returns a function that closes the server */
export function serveHealth(port: number, workers: readonly Worker[]): () => void {
  const server = createServer((_request, response) => {
    const states = workers.map((worker) => worker.getState());
    response.writeHead(states.every((state) => state === 'RUNNING') ? 200 : 503).end(states.join('\n'));
  });
  server.listen(port, '127.0.0.1').unref();
  return () => void server.close();
}
