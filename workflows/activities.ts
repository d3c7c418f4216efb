/** The activities as workflows see them: which queue, how long, how often again. */
import type { RetryPolicy } from '@temporalio/common';
import { proxyActivities } from '@temporalio/workflow';
import type { ControlActivities, ModelActivities } from '../activities/index.ts';
import { ARTIFACT_DAMAGED, TRAINING_DIVERGED } from './failure.ts';
import { CONTROL_QUEUE, GPU_QUEUE } from './queues.ts';
import { secondsOfFailure, spend } from './spending.ts';
import type { Spent } from '../activities/spent.ts';

// A worker that dies is noticed when its heartbeats stop; what it did is in artifacts and checkpoints, so trying again is cheap.
const retry: RetryPolicy = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  maximumAttempts: 10,
  // The steps that have made it must run again: not this one.
  // The same training would diverge again at the same step.
  nonRetryableErrorTypes: [ARTIFACT_DAMAGED, TRAINING_DIVERGED],
};

/** Which step of a round is under way: activities get it as a second argument, for logs alone. */
let stepUnderWay: string | undefined;

export function nameStep(step: string | undefined): void {
  stepUnderWay = step;
}

export const stepName = (): string | undefined => stepUnderWay;

export const control = named(
  proxyActivities<ControlActivities>({
    taskQueue: CONTROL_QUEUE,
    // Answers and labels that a server gives take the time that it takes.
    startToCloseTimeout: '1 day',
    heartbeatTimeout: '30s',
    retry,
  }),
);

export const model = named(
  proxyActivities<ModelActivities>({
    taskQueue: GPU_QUEUE,
    startToCloseTimeout: '1 day',
    heartbeatTimeout: '15s',
    retry,
  }),
  counted,
);

type Call = (input: unknown, place: { step?: string }) => Promise<unknown>;

/** The same activities, told the step under way with their input. */
function named<Activities extends object>(
  activities: Activities,
  around = (call: Promise<unknown>) => call,
): Activities {
  return new Proxy(activities, {
    get: (_, name) => (input: unknown) =>
      around(
        (activities as Record<PropertyKey, Call>)[name](
          input,
          stepUnderWay === undefined ? {} : { step: stepUnderWay },
        ),
      ),
  });
}

/** Counts what an activity has spent, however it ended. */
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
