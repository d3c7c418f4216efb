/** Describes failures of a run, for the operator who decides how the run continues. */
import { ActivityFailure, ApplicationFailure, TemporalFailure } from '@temporalio/workflow';
import type { Spent } from '../activities/spent.ts';

export interface Failure {
  /** The round. Undefined before the first round and after the last one. */
  round?: number;
  step: string;
  /** The benchmark that failed, in the step `benchmarks`. */
  benchmark?: string;
  activity?: string;
  /** The error's name, such as InputError. */
  type?: string;
  /** One sentence. */
  message: string;
  /** ISO 8601. */
  since: string;
  /** When it is retried unless an operator decides earlier: ISO 8601. */
  retryAt?: string;
}

/** Error types of activities that workflows handle differently (artifacts/errors.ts, data/errors.ts, engine/protocol/errors.ts). */
export const ARTIFACT_DAMAGED = 'ArtifactDamaged';
export const INPUT_ERROR = 'InputError';
export const TRAINING_DIVERGED = 'TrainingDiverged';

/** What failed, in words: `step sample`, or `benchmark ifeval`. Runs of earlier versions do not name the benchmark. */
export const culpritOf = ({ step, benchmark }: Failure): string =>
  benchmark === undefined ? `step ${step}` : `benchmark ${benchmark}`;

/** The step of a failed benchmark: a decision to skip it skips no round. */
export const BENCHMARKS = 'benchmarks';

/** The type of the failure that parks a run at the deadline of its voting. */
export const VOTES_MISSING = 'VotesMissing';

const STEP_FAILED = 'StepFailed';

/** Adds the round's step and spent GPU seconds to an activity's failure. */
export const stepFailed = (step: string, spent: Spent, cause: TemporalFailure) =>
  ApplicationFailure.create({
    type: STEP_FAILED,
    message: `${step} failed`,
    details: [step, spent],
    nonRetryable: true,
    cause,
  });

/** Describes what failed and why, from Temporal's chain of causes. */
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
