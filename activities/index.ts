/** The activities: steps as Temporal runs them, with heartbeats, cancellation and failures. */
import { Context } from '@temporalio/activity';
import { InputError } from '../data/errors.ts';
import { whileUsed } from '../data/in-use.ts';
import type { CallOptions, Progress } from '../engine/protocol/jobs.ts';
import { benchmark, benchmarkPrompts } from './benchmarks/index.ts';
import { divergence } from './divergence.ts';
import { evaluate } from './evaluate.ts';
import { label, labelHeldOut } from './label.ts';
import { LossCurve, type Losses } from './loss-curve.ts';
import { optimize } from './optimize.ts';
import { findVotes, storeVotes } from './people/store-votes.ts';
import { prefer } from './prefer.ts';
import { prepare } from './prepare.ts';
import { ask } from './people/ask.ts';
import { importGuidance } from './people/guidance.ts';
import { storeLateVotes } from './people/late-votes.ts';
import { tally } from './people/tally.ts';
import { publish } from './publish.ts';
import { recheck } from './recheck.ts';
import { reference } from './reference.ts';
import { release } from './release.ts';
import { resumedFrom, sentenceOn, type Resumed } from './resumed.ts';
import { sample } from './sample.ts';
import { spentFailure, startCount, type Spent } from './spent.ts';
import type { Activity, StepContext } from './step.ts';
import { unloadAdapter } from './unload-adapter.ts';

/** Registered on all task queues. The settings decide which queue is used: that of the GPU workers if the engine computes the step. */
const shared = {
  sample,
  reference,
  label,
  labelHeldOut,
  benchmark,
  ask,
  // The earlier name of labelHeldOut. Runs that an earlier version started may still call it.
  judge: labelHeldOut,
};
/** Activities that read and write files or send requests to servers, without a model. */
export const controlActivities = {
  prepare,
  recheck,
  benchmarkPrompts,
  ...shared,
  unloadAdapter,
  importGuidance,
  findVotes,
  storeVotes,
  tally,
  storeLateVotes,
  prefer,
  evaluate,
  publish,
  release,
};
/** Activities that need the engine. */
export const modelActivities = { divergence, optimize, ...shared };

type AsCalled<A> = A extends Activity<infer Input, infer Output> ? (input: Input) => Promise<Output & Spent> : never;
/** The activities' signatures in workflows. */
export type ActivitiesOf<Activities> = { [Name in keyof Activities]: AsCalled<Activities[Name]> };
export type ControlActivities = ActivitiesOf<typeof controlActivities>;
export type ModelActivities = ActivitiesOf<typeof modelActivities>;

const HEARTBEAT_MILLISECONDS = 1000;

/** The functions that a Temporal worker registers. */
export function createActivities<Activities extends Record<string, Activity<never, unknown>>>(
  context: StepContext,
  activities: Activities,
): ActivitiesOf<Activities> {
  const entries = Object.entries(activities).map(([name, activity]) => [
    name,
    (input: never) => perform(context, activity, input),
  ]);
  return Object.fromEntries(entries) as ActivitiesOf<Activities>;
}

async function perform<Input, Output>(
  context: StepContext,
  activity: Activity<Input, Output>,
  input: Input,
): Promise<Output & Spent> {
  const temporal = Context.current();
  let progress: (Progress & Resumed & Losses) | undefined;
  let curve: LossCurve | undefined;
  // The last heartbeat of the attempt before.
  const before = temporal.info.heartbeatDetails as Partial<Progress & Losses> | undefined;
  const spent = startCount(temporal);
  const nothing = spent();
  const beat = setInterval(() => temporal.heartbeat({ ...progress, ...spent() }), HEARTBEAT_MILLISECONDS);
  try {
    const options: CallOptions = {
      signal: temporal.cancellationSignal,
      onProgress: (latest) => {
        const resumed = progress?.unit === 'steps' ? progress.resumed : resumedFrom(latest, before);
        if (resumed && !progress?.resumed) temporal.log.warn(sentenceOn(resumed, latest.total));
        // Metrics go into the artifact; a heartbeat has the progress, the loss so far and the last checkpoint.
        const { metrics, resumedFromStep, ...rest } = latest;
        if (latest.unit === 'steps') curve ??= new LossCurve(before?.losses, resumedFromStep);
        if (metrics) curve?.add(metrics.step, metrics.loss);
        progress = {
          ...(progress?.checkpoint && { checkpoint: progress.checkpoint }),
          ...(resumed && { resumed }),
          ...(curve && { losses: curve.points }),
          ...rest,
        };
      },
    };
    const output = await whileUsed(() => activity(context, input, options));
    // A cached artifact uses no budget.
    return { ...output, ...((output as { reused?: boolean }).reused ? nothing : spent()) };
  } catch (error) {
    // Temporal reports the activity as cancelled only for this error.
    if (temporal.cancellationSignal.aborted) throw error;
    throw spentFailure(error, spent(), error instanceof InputError);
  } finally {
    clearInterval(beat);
  }
}
