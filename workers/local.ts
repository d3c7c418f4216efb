/** Everything a run needs on one machine: server and workers, kept alive while it lasts. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { forkModule } from '../engine/process/fork.ts';
import { hasServer } from './connection.ts';
import { keepServer } from './keep-server.ts';
import { graceSeconds, ROLES, STOP_SECONDS, type Role } from './worker.ts';

export interface Local {
  /** Ends the workers, and the server if nobody else needs it. What they were doing can go on later. */
  stop(): Promise<void>;
  /** Kills the workers, which lose what is not in a checkpoint. */
  kill(): void;
}

const RESTART_SECONDS = 1;

/**
 * Starts what is missing: the embedded server where the environment names none, and a worker of each role.
 * Whichever dies is started again.
 */
export async function startLocal(say: (message: string) => void): Promise<Local> {
  let stopping = false;
  const stopServer = hasServer() ? async () => {} : await keepServer(say, { stopping: () => stopping });
  const workers = new Map<Role, ChildProcess>();

  const startWorker = (role: Role) => {
    const worker = forkModule(new URL('./main.ts', import.meta.url), [role], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // A process group of its own, with its engine: Ctrl-C reaches this process alone, and both can be killed.
      detached: true,
    });
    workers.set(role, worker);
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      say(`The ${role} worker ended (${signal ?? `exit code ${code}`}); starting another.`);
      void sleep(RESTART_SECONDS * 1000).then(() => stopping || startWorker(role));
    });
  };
  for (const role of ROLES) startWorker(role);
  const running = () =>
    [...workers.values()].filter((worker) => worker.exitCode === null && worker.signalCode === null);
  const kill = () => {
    stopping = true;
    running().forEach(killGroup);
  };

  return {
    async stop() {
      stopping = true;
      const ended = running().map((worker) => once(worker, 'exit'));
      for (const worker of running()) worker.kill('SIGTERM');
      // A thread that is blocked takes no notice of SIGTERM.
      const late = setTimeout(
        () => {
          say(`Workers have not ended in ${STOP_SECONDS + graceSeconds()} s; killing them.`);
          kill();
        },
        (STOP_SECONDS + graceSeconds()) * 1000,
      );
      await Promise.all(ended);
      clearTimeout(late);
      await stopServer();
    },
    kill,
  };
}

/** A worker that is killed leaves an engine behind whose thread is blocked: both are killed. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch (error) {
    // It has ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
