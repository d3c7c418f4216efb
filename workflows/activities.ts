/** The activities as workflows call them: task queues, timeouts, retries, and summaries for Temporal's UI. */
import type { RetryPolicy } from '@temporalio/common';
import { proxyActivities, workflowInfo, type ActivityInterfaceFor } from '@temporalio/workflow';
import type { ControlActivities, ModelActivities } from '../activities/index.ts';
import type { PoolName } from '../config/pools.ts';
import { ARTIFACT_DAMAGED, TRAINING_DIVERGED } from './failure.ts';
import { runNameOf } from './ids.ts';
import { summaryOf, type Place } from './place.ts';
import { CONTROL_QUEUE, MODEL_QUEUES } from './queues.ts';
import { secondsOfFailure, spend } from './spending.ts';
import type { Spent } from '../activities/spent.ts';

// Missing heartbeats reveal a dead worker. Its finished work is in artifacts and checkpoints, so retries are cheap.
const retry: RetryPolicy = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  maximumAttempts: 10,
  // Retries would not help: a damaged artifact must be recomputed by its own step, and a diverged training would diverge again.
  nonRetryableErrorTypes: [ARTIFACT_DAMAGED, TRAINING_DIVERGED],
};

/** Temporal's limit on a fairness key, in bytes. */
const FAIRNESS_KEY_BYTES = 64;

interface StepActivities {
  control: ControlActivities;
  /** @param pool the workers that compute them */
  model: (pool: PoolName) => ModelActivities;
}

/**
 * The activities of one step of the run.
 * @param place the activities' summary, also passed to them for their logs
 */
export function activitiesOf(place: Place): StepActivities {
  const shared = { retry, summary: summaryOf(place), priority: { fairnessKey: fairnessKey() } };
  return {
    control: inPlace(
      proxyActivities<ControlActivities>({
        ...shared,
        taskQueue: CONTROL_QUEUE,
        // A server that samples or labels may take hours.
        startToCloseTimeout: '1 day',
        heartbeatTimeout: '30s',
      }),
      place,
    ),
    model: (pool) =>
      inPlace(
        proxyActivities<ModelActivities>({
          ...shared,
          taskQueue: MODEL_QUEUES[pool],
          startToCloseTimeout: '1 day',
          heartbeatTimeout: '15s',
        }),
        place,
        counted,
      ),
  };
}

/** The fairness key, which is the run's name: workers shared by several runs take activities from each run in turn. */
function fairnessKey(): string {
  const { root, workflowId } = workflowInfo();
  const name = runNameOf((root ?? { workflowId }).workflowId);
  // Names are ASCII, so a character is a byte.
  return name.slice(0, FAIRNESS_KEY_BYTES);
}

type Call = (input: unknown, place: Place) => Promise<unknown>;

/** The same activities with `place` as their second argument, which workers log. */
function inPlace<Activities extends object>(
  activities: ActivityInterfaceFor<Activities>,
  place: Place,
  around = (call: Promise<unknown>) => call,
): Activities {
  return new Proxy(activities, {
    get: (_, name) => (input: unknown) =>
      around((activities as unknown as Record<PropertyKey, Call>)[name](input, place)),
  }) as unknown as Activities;
}

/** Adds the GPU seconds of an activity to those of the run, whether the activity succeeds or fails. */
async function counted(call: Promise<unknown>): Promise<unknown> {
  try {
    const result = await call;
    spend((result as Spent).seconds);
    return result;
  } catch (error) {
    spend(secondsOfFailure(error));
    throw error;
  }
}
