/** What stopped a run, for the operator who decides how it goes on. */
import { ActivityFailure, ApplicationFailure, TemporalFailure } from '@temporalio/workflow';
import type { Spent } from '../activities/spent.ts';

export interface Failure {
  /** None: before the first round, or after the last. */
  round?: number;
  step: string;
  activity?: string;
  /** The error's name, such as InputError. */
  type?: string;
  /** One sentence. */
  message: string;
  /** ISO 8601. */
  since: string;
  /** When it is tried again if nobody decides before: ISO 8601. */
  retryAt?: string;
}

/** The names of errors of activities, as workflows get them (artifacts/errors.ts, data/errors.ts, engine/protocol/errors.ts). */
export const ARTIFACT_DAMAGED = 'ArtifactDamaged';
export const INPUT_ERROR = 'InputError';
export const TRAINING_DIVERGED = 'TrainingDiverged';

const STEP_FAILED = 'StepFailed';

/** Adds to an activity's failure which step of a round it was in, and what the round has spent. */
export const stepFailed = (step: string, spent: Spent, cause: TemporalFailure) =>
  ApplicationFailure.create({
    type: STEP_FAILED,
    message: `${step} failed`,
    details: [step, spent],
    nonRetryable: true,
    cause,
  });

/** What failed and why, out of Temporal's chain of causes. */
export function describeFailure(
  error: TemporalFailure,
): Pick<Failure, 'activity' | 'type' | 'message'> & { step?: string } {
  const chain: Error[] = [];
  for (let cause: Error | undefined = error; cause; cause = cause.cause as Error | undefined) chain.push(cause);
  const step = chain.find((cause) => cause instanceof ApplicationFailure && cause.type === STEP_FAILED);
  const activity = chain.find((cause) => cause instanceof ActivityFailure);
  const reason = activity?.cause ?? chain.at(-1)!;
  return {
    ...(step && { step: (step as ApplicationFailure).details![0] as string }),
    ...(activity && { activity: activity.activityType }),
    ...(reason instanceof ApplicationFailure && reason.type && { type: reason.type }),
    message: reason.message.split('\n')[0],
  };
}
