/** Answers for runs where no worker does. */
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { CONTROL_QUEUE } from '../workflows/queues.ts';
import { connectionSettings } from './connection.ts';
import { createLogger } from './telemetry/log.ts';
import { workflowCode } from './workflow-code.ts';

/**
 * Answers queries and takes decisions of runs while `work` lasts. It takes no steps: those wait for the next `selm run`.
 * @returns what `work` comes to
 */
export async function whileAnswering<T>(work: () => Promise<T>): Promise<T> {
  Runtime.install({ logger: createLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
  const { connectionOptions, namespace } = connectionSettings();
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    const worker = await Worker.create({ connection, namespace, taskQueue: CONTROL_QUEUE, ...workflowCode() });
    return await worker.runUntil(work);
  } finally {
    await connection.close();
  }
}
