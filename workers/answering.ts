/** A temporary control worker for queries and decisions, for a home folder without a running worker. */
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { CONTROL_QUEUE } from '../workflows/queues.ts';
import { connectionSettings } from './temporal/connection.ts';
import { dataConverter } from './temporal/data-converter.ts';
import { createLogger } from './telemetry/log.ts';
import { workflowCode } from './workflow-code.ts';

/**
 * Answers queries and applies decisions while `work` runs. It runs no activities: these wait for the next `selm run`.
 * @returns the result of `work`
 */
export async function whileAnswering<T>(work: () => Promise<T>): Promise<T> {
  const converter = await dataConverter();
  Runtime.install({
    logger: createLogger('ERROR'),
    // The command ends its work at a signal, and thereby this worker.
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });
  const { connectionOptions, namespace } = connectionSettings();
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: CONTROL_QUEUE,
      dataConverter: converter,
      ...workflowCode(converter),
    });
    return await worker.runUntil(work);
  } finally {
    await connection.close();
  }
}
