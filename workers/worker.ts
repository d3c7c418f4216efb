/** Worker processes: they take tasks from their roles' queues until they are stopped. */
import { NativeConnection, Runtime, Worker, type LogLevel, type WorkerOptions } from '@temporalio/worker';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { controlActivities, createActivities, modelActivities } from '../activities/index.ts';
import { CONTROL_QUEUE, GPU_QUEUE } from '../workflows/queues.ts';
import { InputError } from '../data/errors.ts';
import { STOP_SIGNALS } from '../data/stop-signals.ts';
import { connectClient, connectionSettings } from './connection.ts';
import { makeCurrent } from './current-version.ts';
import { dataConverter } from './data-converter.ts';
import { declaredSchedules, declareSchedules } from './declared-schedules.ts';
import { healthPort, serveHealth } from './health.ts';
import { cacheFolder } from './places.ts';
import { explainMissing, missingAttributes } from './search-attributes.ts';
import { registerServer } from './store-servers.ts';
import { openStore } from './store.ts';
import { TaskProtection } from './task-protection.ts';
import { watchActivities } from './telemetry/activities.ts';
import { publishDemand } from './telemetry/demand.ts';
import { measureEngine } from './telemetry/engine.ts';
import { createLogger } from './telemetry/log.ts';
import { isMeasured, Metrics, metricsAddress } from './telemetry/metrics.ts';
import { startTracing } from './telemetry/tracing.ts';
import { workflowCode } from './workflow-code.ts';
import { startWithVllm } from '../engine/backends.ts';

export const ROLES = ['control', 'gpu'] as const;
export type Role = (typeof ROLES)[number];

const DEFAULT_GRACE_SECONDS = 2;
/** The time limit for writing a checkpoint and ending, after the grace period, in seconds. */
export const STOP_SECONDS = 30;

/**
 * SELM_GRACE_SECONDS: how long a stopping worker waits for its activities to finish. After that they are stopped and write their
 * checkpoint.
 * @throws InputError when it is not a number
 */
export function graceSeconds(): number {
  const given = process.env['SELM_GRACE_SECONDS'] ?? String(DEFAULT_GRACE_SECONDS);
  if (!/^\d+(\.\d+)?$/.test(given))
    throw new InputError(`SELM_GRACE_SECONDS=${given} is no number of seconds: give 90.`);
  return Number(given);
}

export interface WorkersOptions {
  /** The level of Temporal's log on stderr. */
  logLevel: LogLevel;
  /** The version of a Temporal worker deployment. A run stays with the version that it started on. */
  version?: WorkerDeploymentVersion;
  stop?: AbortSignal;
}

/** Runs workers until SIGINT, SIGTERM, SIGHUP or `stop`. */
export async function runWorkers(roles: readonly Role[], options: WorkersOptions): Promise<void> {
  const { logLevel, version, stop } = options;
  // The environment is checked first, because the native runtime keeps the process alive after its installation.
  const converter = await dataConverter();
  const workflows = workflowCode(converter);
  const port = healthPort();
  const schedules = roles.includes('control') ? declaredSchedules() : undefined;
  const address = metricsAddress();
  const { logger, metricMeter } = Runtime.install({
    logger: createLogger(logLevel),
    shutdownSignals: [...STOP_SIGNALS],
    telemetryOptions: {
      logging: { filter: 'ERROR', forward: {} },
      ...(address !== undefined && { metrics: { prometheus: { bindAddress: address, useSecondsForDurations: true } } }),
    },
  });
  const metrics = new Metrics(metricMeter);
  const tracing = await startTracing(roles.join('-'));
  const warn = (message: string) => logger.warn(message);
  const agent = process.env['ECS_AGENT_URI'];
  const protection = agent === undefined ? undefined : new TaskProtection(agent, warn);
  const store = await openStore({ writes: true });
  const { connectionOptions, namespace } = connectionSettings();
  const connection = await NativeConnection.connect(connectionOptions);
  await registerServer(store, connection, { address: connectionOptions.address, namespace });
  const started = startWithVllm();
  const engine = isMeasured() ? measureEngine(started.engine, metrics) : started.engine;
  const context = { store, engine, vllm: started.vllm, cacheFolder: cacheFolder() };
  const byRole: Record<Role, Partial<WorkerOptions> & { taskQueue: string }> = {
    control: {
      taskQueue: CONTROL_QUEUE,
      ...workflows,
      activities: createActivities(context, controlActivities),
    },
    gpu: {
      taskQueue: GPU_QUEUE,
      activities: createActivities(context, modelActivities),
      // The engine runs one job at a time. A second activity would hold a shard that another worker could take.
      maxConcurrentActivityTaskExecutions: 1,
    },
  };
  // Heartbeats report progress. By default most of them are throttled.
  const shared: Partial<WorkerOptions> = {
    shutdownGraceTime: graceSeconds() * 1000,
    dataConverter: converter,
    maxHeartbeatThrottleInterval: '1s',
    ...(version && {
      workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
    }),
    sinks: tracing?.options.sinks,
    interceptors: {
      ...tracing?.options.interceptors,
      activity: [
        watchActivities({ logger, metrics, ...(protection && { begin: protection.begin }) }),
        ...(tracing?.options.interceptors?.activity ?? []),
      ],
    },
  };
  const client = roles.includes('control') ? await connectClient() : undefined;
  let [stopDemand, stopCounting]: ((() => void) | undefined)[] = [];
  try {
    const workers = await Promise.all(
      roles.map((role) => Worker.create({ connection, namespace, ...shared, ...byRole[role] })),
    );
    if (client) {
      const missing = await missingAttributes(client);
      if (missing.length > 0) warn(explainMissing(missing, namespace));
      if (schedules) await declareSchedules(client, schedules);
      if (isMeasured()) stopDemand = publishDemand(client, metrics, warn, version);
    }
    if (roles.includes('gpu')) stopCounting = countWorker(metrics);
    stop?.addEventListener('abort', () => workers.forEach((worker) => worker.shutdown()), { once: true });
    const running = Promise.all(workers.map((worker) => worker.run()));
    if (client && version && process.env['SELM_MAKE_CURRENT'] === '1') {
      makeCurrent(client, version).catch((error: Error) =>
        warn(`Version ${version.buildId} is not made current: ${error.message}`),
      );
    }
    const endHealth = port === undefined ? () => {} : serveHealth(port, workers);
    await running.finally(endHealth);
  } finally {
    stopDemand?.();
    stopCounting?.();
    await protection?.close();
    await tracing?.close();
    metrics.close();
    await engine.close();
    await client?.connection.close();
    await connection.close();
  }
}

/** Reports every minute that this worker is alive. */
function countWorker(metrics: Metrics): () => void {
  metrics.set('workers', 1);
  const timer = setInterval(() => metrics.set('workers', 1), 30_000);
  return () => clearInterval(timer);
}
