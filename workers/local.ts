/** Keeps the server and the workers of a run on one machine running until the run ends. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BAD_INPUT } from '../data/exit-codes.ts';
import { forkModule } from '../engine/process/fork.ts';
import { hasServer } from './temporal/connection.ts';
import { sharedUse } from './dev-server/dev-server.ts';
import { graceSeconds, STOP_SECONDS } from './grace.ts';
import { keepServer } from './dev-server/keep.ts';
import { healthPort } from './health.ts';
import type { Role } from './roles.ts';
import { metricsAddress } from './telemetry/metrics.ts';

export interface Local {
  /** Stops the workers, and the server unless another process uses it. The run can continue later. */
  stop(): Promise<void>;
  /** Kills the workers. Work that is not in a checkpoint is lost. */
  kill(): void;
}

const RESTART_SECONDS = 1;
/** Variables with a port at which a worker listens. */
const PORTS = ['SELM_METRICS_PORT', 'SELM_HEALTH_PORT'];

/** The roles of each process. One process computes for both pools, with one engine, so that two runs do not compute at the same time. */
const PROCESSES: Role[][] = [['control'], ['gpu', 'node']];

/**
 * Starts workers, and the embedded server if the environment names none. Each is restarted when it dies. If one cannot start because of
 * bad input, this process ends with exit code 2, since another start would end in the same way.
 * @param processes the roles of each worker. Default: all roles
 * @throws InputError when the environment has a bad value
 */
export async function startLocal(say: (message: string) => void, processes = PROCESSES): Promise<Local> {
  const stopSeconds = STOP_SECONDS + graceSeconds();
  metricsAddress();
  healthPort();
  let stopping = false;
  const stopServer = hasServer() ? async () => {} : await keepServer(say, { stopping: () => stopping });
  const workers = new Map<Role[], ChildProcess>();

  const startWorker = (roles: Role[], isFirst: boolean) => {
    const worker = forkModule(new URL('./main.ts', import.meta.url), roles, {
      // If this process is killed, the server keeps running until the workers have written their checkpoints.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', sharedUse() ?? 'ignore'],
      env: { ...process.env, ...portsOf(processes.indexOf(roles)) },
      // A separate process group for worker and engine: Ctrl-C reaches only this process, and both can be killed together.
      detached: true,
    });
    workers.set(roles, worker);
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      // The worker has said what is wrong: a variable of the environment, or a store that it must not use.
      if (isFirst && code === BAD_INPUT) return void local.stop().finally(() => process.exit(BAD_INPUT));
      say(`The ${roles[0]} worker ended (${signal ?? `exit code ${code}`}); starting another.`);
      void sleep(RESTART_SECONDS * 1000).then(() => stopping || startWorker(roles, false));
    });
  };
  const running = () =>
    [...workers.values()].filter((worker) => worker.exitCode === null && worker.signalCode === null);
  const kill = () => {
    stopping = true;
    running().forEach(killGroup);
  };

  const local: Local = {
    async stop() {
      stopping = true;
      const ended = running().map((worker) => once(worker, 'exit'));
      for (const worker of running()) worker.kill('SIGTERM');
      // A blocked thread does not handle SIGTERM.
      const late = setTimeout(() => {
        say(`Workers have not ended in ${stopSeconds} s; killing them.`);
        kill();
      }, stopSeconds * 1000);
      await Promise.all(ended);
      clearTimeout(late);
      await stopServer();
    },
    kill,
  };
  processes.forEach((roles) => startWorker(roles, true));
  return local;
}

/** The ports of a worker, by variable: each process has its own, from that of the environment on. @param index of the worker */
const portsOf = (index: number): Record<string, string> =>
  Object.fromEntries(
    PORTS.flatMap((name) => {
      const first = process.env[name];
      return first ? [[name, String(Number(first) + index)]] : [];
    }),
  );

/** Kills a worker and its engine: an engine with a blocked thread would outlive the worker. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch (error) {
    // The process has already ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
