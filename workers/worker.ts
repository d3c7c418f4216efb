/** Worker processes: they take tasks from their roles' queues until they are stopped. */
import { NativeConnection, Runtime, Worker, type LogLevel, type WorkerOptions } from '@temporalio/worker';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { controlActivities, createActivities, modelActivities } from '../activities/index.ts';
import type { StepContext } from '../activities/step.ts';
import { STOP_SIGNALS } from '../data/stop-signals.ts';
import { connectClient, connectionSettings } from './temporal/connection.ts';
import { dataConverter } from './temporal/data-converter.ts';
import { declaredSchedules, declareSchedules } from './runs/declared-schedules.ts';
import { followDeployment, ownService } from './deployed-version.ts';
import { graceSeconds } from './grace.ts';
import { healthPort, serveHealth } from './health.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { cacheFolder } from './places.ts';
import { explainMissing, missingAttributes } from './temporal/search-attributes.ts';
import { QUEUES, type Role } from './roles.ts';
import { registerServer } from './store-servers.ts';
import { openStore } from './store.ts';
import { TaskProtection } from './task-protection.ts';
import { watchActivities } from './telemetry/activities.ts';
import { publishDemand } from './telemetry/demand.ts';
import { measureEngine } from './telemetry/engine.ts';
import { createLogger } from './telemetry/log.ts';
import { MachineMetrics } from './telemetry/machine.ts';
import { createMetrics, isMeasured, metricsAddress } from './telemetry/metrics.ts';
import { startTracing } from './telemetry/tracing.ts';
import { workflowCode } from './workflow-code.ts';
import { startWithVllm } from '../engine/backends.ts';

/** Of STOP_SECONDS, for writing and uploading a checkpoint. One that takes longer is not begun. */
const CHECKPOINT_SECONDS = 25;

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
  const own = ownService();
  const address = metricsAddress();
  const { logger, metricMeter } = Runtime.install({
    logger: createLogger(logLevel),
    shutdownSignals: [...STOP_SIGNALS],
    telemetryOptions: {
      logging: { filter: 'ERROR', forward: {} },
      ...(address !== undefined && { metrics: { prometheus: { bindAddress: address, useSecondsForDurations: true } } }),
    },
  });
  const metrics = createMetrics(metricMeter, version);
  const tracing = await startTracing(roles.join('-'));
  const warn = (message: string) => logger.warn(message);
  const computes = roles.some((role) => role !== 'control');
  const agent = process.env['ECS_AGENT_URI'];
  // Light steps are started again within seconds; a control worker's task role allows no protection.
  const protection = computes && agent !== undefined ? new TaskProtection(agent, warn) : undefined;
  const machine = computes && isMeasured() ? new MachineMetrics(metrics, warn) : undefined;
  const store = await openStore({ writes: true });
  const { connectionOptions, namespace } = connectionSettings();
  const connection = await NativeConnection.connect(connectionOptions);
  await registerServer(store, connection, { address: connectionOptions.address, namespace });
  const started = startWithVllm();
  const engine = isMeasured() ? measureEngine(started.engine, metrics) : started.engine;
  const context: StepContext = {
    store,
    engine,
    vllm: started.vllm,
    countTokens: (metric, tokens) => metrics.add(metric, tokens),
    cacheFolder: cacheFolder(),
    stopSeconds: CHECKPOINT_SECONDS,
  };
  const model = {
    activities: oneAtATime(createActivities(context, modelActivities)),
    // The engine runs one job at a time. A second activity would hold a shard that another worker could take.
    maxConcurrentActivityTaskExecutions: 1,
  };
  const byRole: Record<Role, Partial<WorkerOptions> & { taskQueue: string }> = {
    control: {
      taskQueue: QUEUES.control,
      ...workflows,
      activities: createActivities(context, controlActivities),
    },
    gpu: { taskQueue: QUEUES.gpu, ...model },
    node: { taskQueue: QUEUES.node, ...model },
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
        watchActivities({ logger, metrics, begin: [protection, machine].flatMap((watcher) => watcher?.begin ?? []) }),
        ...(tracing?.options.interceptors?.activity ?? []),
      ],
    },
  };
  const client = roles.includes('control') ? await connectClient() : undefined;
  let [stopDemand, stopFollowing]: ((() => void) | undefined)[] = [];
  try {
    const workers = await Promise.all(
      roles.map((role) => Worker.create({ connection, namespace, ...shared, ...byRole[role] })),
    );
    if (client) {
      const missing = await missingAttributes(client);
      if (missing.length > 0) warn(explainMissing(missing, namespace));
      if (schedules && !own) await declareSchedules(client, schedules);
      if (isMeasured()) stopDemand = publishDemand(client, metrics, warn, version);
    }
    machine?.start();
    const running = Promise.all(workers.map((worker) => worker.run()));
    const shutDown = () => workers.forEach((worker) => worker.shutdown());
    // Only workers that run can be shut down: the request may have come while they were created.
    if (stop?.aborted) shutDown();
    else stop?.addEventListener('abort', shutDown, { once: true });
    if (client && version && own) stopFollowing = followDeployment(own, { client, version, schedules, warn });
    const endHealth = port === undefined ? () => {} : serveHealth(port, workers);
    await running.finally(endHealth);
  } finally {
    stopDemand?.();
    machine?.close();
    stopFollowing?.();
    await protection?.close();
    await tracing?.close();
    metrics.close();
    await engine.close();
    await client?.connection.close();
    await connection.close();
  }
}
