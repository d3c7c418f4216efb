/** Everything a run needs on one machine: server and workers, kept alive while it lasts. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { forkModule } from '../engine/fork.ts';
import { hasServer } from './connection.ts';
import { startDevServer } from './dev-server.ts';
import { ROLES, type Role } from './worker.ts';

export interface Local {
  /** Ends the workers, and the server if it was started here. What they were doing can go on later. */
  stop(): Promise<void>;
}

const RESTART_SECONDS = 1;

/**
 * Starts what is missing: the embedded server where the environment names none, and a worker of each role.
 * A worker that dies is started again; a server that dies, too.
 */
export async function startLocal(say: (message: string) => void): Promise<Local> {
  const embedded = !hasServer();
  let server = embedded ? await startDevServer(say) : undefined;
  if (server) process.env['TEMPORAL_ADDRESS'] = server.address;
  let stopping = false;
  const workers = new Map<Role, ChildProcess>();

  const startWorker = (role: Role) => {
    const worker = forkModule(new URL('./main.ts', import.meta.url), [role], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    workers.set(role, worker);
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      say(`The ${role} worker ended (${signal ?? `exit code ${code}`}); starting another.`);
      void sleep(RESTART_SECONDS * 1000).then(() => stopping || startWorker(role));
    });
  };
  for (const role of ROLES) startWorker(role);

  return {
    async stop() {
      stopping = true;
      const running = [...workers.values()].filter((worker) => worker.exitCode === null && worker.signalCode === null);
      await Promise.all(
        running.map((worker) => {
          const exited = once(worker, 'exit');
          worker.kill('SIGTERM');
          return exited;
        }),
      );
      server?.stop();
      server = undefined;
    },
  };
}
