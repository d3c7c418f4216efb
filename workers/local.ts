/** Everything a run needs on one machine: server and workers, kept alive while it lasts. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { forkModule } from '../engine/fork.ts';
import { hasServer } from './connection.ts';
import { joinDevServer, leaveDevServer, runningDevServer } from './dev-server.ts';
import { ROLES, type Role } from './worker.ts';

export interface Local {
  /** Ends the workers, and the server if nobody else needs it. What they were doing can go on later. */
  stop(): Promise<void>;
}

const RESTART_SECONDS = 1;

/**
 * Starts what is missing: the embedded server where the environment names none, and a worker of each role.
 * Whichever dies is started again.
 */
export async function startLocal(say: (message: string) => void): Promise<Local> {
  let stopping = false;
  const stopServer = hasServer() ? () => {} : await keepServer(say, () => stopping);
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
      stopServer();
    },
  };
}

/** Joins the embedded server and starts it again when it dies. */
async function keepServer(say: (message: string) => void, stopping: () => boolean): Promise<() => void> {
  process.env['TEMPORAL_ADDRESS'] = await joinDevServer(say);
  let starting = false;
  const watch = setInterval(() => {
    if (starting || stopping() || runningDevServer()) return;
    starting = true;
    say("Temporal's dev server ended; starting it again.");
    joinDevServer(say)
      .catch((error: Error) => say(error.message))
      .finally(() => (starting = false));
  }, RESTART_SECONDS * 1000);
  return () => {
    clearInterval(watch);
    leaveDevServer();
  };
}
