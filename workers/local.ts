/** Keeps the server and the workers of a run on one machine running until the run ends. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { forkModule } from '../engine/process/fork.ts';
import { hasServer } from './temporal/connection.ts';
import { sharedUse } from './dev-server/dev-server.ts';
import { graceSeconds, STOP_SECONDS } from './grace.ts';
import { keepServer } from './dev-server/keep.ts';
import type { Role } from './roles.ts';

export interface Local {
  /** Stops the workers, and the server unless another process uses it. The run can continue later. */
  stop(): Promise<void>;
  /** Kills the workers. Work that is not in a checkpoint is lost. */
  kill(): void;
}

const RESTART_SECONDS = 1;

/** The roles of each process. One process computes for both pools, with one engine, so that two runs do not compute at the same time. */
const PROCESSES: Role[][] = [['control'], ['gpu', 'node']];

/**
 * Starts workers, and the embedded server if the environment names none. Each is restarted when it dies.
 * @param processes the roles of each worker. Default: all roles
 */
export async function startLocal(say: (message: string) => void, processes = PROCESSES): Promise<Local> {
  let stopping = false;
  const stopServer = hasServer() ? async () => {} : await keepServer(say, { stopping: () => stopping });
  const workers = new Map<Role[], ChildProcess>();

  const startWorker = (roles: Role[]) => {
    const worker = forkModule(new URL('./main.ts', import.meta.url), roles, {
      // If this process is killed, the server keeps running until the workers have written their checkpoints.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', sharedUse() ?? 'ignore'],
      // A separate process group for worker and engine: Ctrl-C reaches only this process, and both can be killed together.
      detached: true,
    });
    workers.set(roles, worker);
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      say(`The ${roles[0]} worker ended (${signal ?? `exit code ${code}`}); starting another.`);
      void sleep(RESTART_SECONDS * 1000).then(() => stopping || startWorker(roles));
    });
  };
  processes.forEach(startWorker);
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
      // A blocked thread does not handle SIGTERM.
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

/** Kills a worker and its engine: an engine with a blocked thread would outlive the worker. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch (error) {
    // The process has already ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
