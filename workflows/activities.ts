/** The activities as workflows see them: which queue, how long, how often again. */
import type { RetryPolicy } from '@temporalio/common';
import { proxyActivities } from '@temporalio/workflow';
import type { ControlActivities, ModelActivities } from '../activities/index.ts';
import { ARTIFACT_DAMAGED } from './failure.ts';
import { CONTROL_QUEUE, GPU_QUEUE } from './queues.ts';

// A worker that dies is noticed when its heartbeats stop; what it did is in artifacts and checkpoints, so trying again is cheap.
const retry: RetryPolicy = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  maximumAttempts: 10,
  // The steps that have made it must run again: not this one.
  nonRetryableErrorTypes: [ARTIFACT_DAMAGED],
};

export const control = proxyActivities<ControlActivities>({
  taskQueue: CONTROL_QUEUE,
  startToCloseTimeout: '1h',
  heartbeatTimeout: '30s',
  retry,
});

export const model = proxyActivities<ModelActivities>({
  taskQueue: GPU_QUEUE,
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '15s',
  retry,
});
