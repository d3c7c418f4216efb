/** Worker processes: they take work from their roles' queues until they are told to stop. */
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type LogLevel,
  type WorkerOptions,
} from '@temporalio/worker';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { controlSteps, createActivities, modelSteps } from '../activities/index.ts';
import { startEngine } from '../engine/host.ts';
import { CONTROL_QUEUE, GPU_QUEUE } from '../workflows/queues.ts';
import { connectionSettings } from './connection.ts';
import { healthPort, serveHealth } from './health.ts';
import { openStore } from './store.ts';
import { workflowCode } from './workflow-code.ts';

export const ROLES = ['control', 'gpu'] as const;
export type Role = (typeof ROLES)[number];

/** What a stopping worker gives its activities to end by themselves; then they are stopped and write their checkpoint. */
const GRACE = '2s';

export interface WorkersOptions {
  /** Of what Temporal logs on stderr. */
  logLevel: LogLevel;
  /** The version of a Temporal worker deployment: a run stays with the version that it began on. */
  version?: WorkerDeploymentVersion;
  stop?: AbortSignal;
}

/** Runs workers until SIGINT, SIGTERM or `stop`. */
export async function runWorkers(roles: readonly Role[], options: WorkersOptions): Promise<void> {
  const { logLevel, version, stop } = options;
  Runtime.install({
    logger: new DefaultLogger(logLevel),
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });
  // What is wrong with the environment is told before anything is begun.
  const workflows = workflowCode();
  const port = healthPort();
  const store = await openStore();
  const { connectionOptions, namespace } = connectionSettings();
  const connection = await NativeConnection.connect(connectionOptions);
  const engine = startEngine();
  const rooms = { store, engine };
  const byRole: Record<Role, Partial<WorkerOptions> & { taskQueue: string }> = {
    control: {
      taskQueue: CONTROL_QUEUE,
      ...workflows,
      activities: createActivities(rooms, controlSteps),
    },
    gpu: {
      taskQueue: GPU_QUEUE,
      activities: createActivities(rooms, modelSteps),
      // The engine runs one job at a time; a second would hold a shard that another worker could take.
      maxConcurrentActivityTaskExecutions: 1,
    },
  };
  // Progress travels in heartbeats: by default most of them are held back.
  const shared: Partial<WorkerOptions> = {
    shutdownGraceTime: GRACE,
    maxHeartbeatThrottleInterval: '1s',
    ...(version && {
      workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
    }),
  };
  try {
    const workers = await Promise.all(
      roles.map((role) => Worker.create({ connection, namespace, ...shared, ...byRole[role] })),
    );
    stop?.addEventListener('abort', () => workers.forEach((worker) => worker.shutdown()), { once: true });
    const endHealth = port === undefined ? () => {} : serveHealth(port, workers);
    await Promise.all(workers.map((worker) => worker.run())).finally(endHealth);
  } finally {
    await engine.close();
    await connection.close();
  }
}
