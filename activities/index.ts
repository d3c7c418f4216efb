/** The activities: steps as Temporal runs them, with heartbeats, cancellation and errors told apart. */
import { Context } from '@temporalio/activity';
import { InputError } from '../data/errors.ts';
import type { Progress } from '../engine/protocol/jobs.ts';
import { divergence } from './divergence.ts';
import { evaluate } from './evaluate.ts';
import { judge, label } from './label.ts';
import { optimize } from './optimize.ts';
import { prefer } from './prefer.ts';
import { prepare } from './prepare.ts';
import { publish } from './publish.ts';
import { recheck } from './recheck.ts';
import { reference } from './reference.ts';
import { release } from './release.ts';
import { sample } from './sample.ts';
import { unloadAdapter } from './served.ts';
import { spentFailure, startCount, type Spent } from './spent.ts';
import type { Rooms, Step } from './step.ts';

/** On which queue they are depends on the settings: on whether the engine computes what they make. */
// `judge` is the name of labelHeldOut in histories of earlier versions.
const sharedSteps = { sample, label, labelHeldOut: judge, judge };
/** Steps that read and write files, or ask servers, without a model. */
export const controlSteps = { prepare, recheck, ...sharedSteps, unloadAdapter, prefer, evaluate, publish, release };
/** Steps that need the engine. */
export const modelSteps = { reference, divergence, optimize, ...sharedSteps };

type Activity<S> = S extends Step<infer Input, infer Output> ? (input: Input) => Promise<Output & Spent> : never;
export type ActivitiesOf<Steps> = { [Name in keyof Steps]: Activity<Steps[Name]> };
export type ControlActivities = ActivitiesOf<typeof controlSteps>;
export type ModelActivities = ActivitiesOf<typeof modelSteps>;

const HEARTBEAT_MILLISECONDS = 1000;

/** Makes activities of steps. */
export function createActivities<Steps extends Record<string, Step<never, unknown>>>(
  rooms: Rooms,
  steps: Steps,
): ActivitiesOf<Steps> {
  const entries = Object.entries(steps).map(([name, step]) => [name, (input: never) => perform(rooms, step, input)]);
  return Object.fromEntries(entries) as ActivitiesOf<Steps>;
}

async function perform<Input, Output>(rooms: Rooms, step: Step<Input, Output>, input: Input): Promise<Output & Spent> {
  const context = Context.current();
  let progress: Progress | undefined;
  const spent = startCount(context);
  const nothing = spent();
  const beat = setInterval(() => context.heartbeat({ ...progress, ...spent() }), HEARTBEAT_MILLISECONDS);
  try {
    const output = await step(rooms, input, {
      signal: context.cancellationSignal,
      onProgress: (latest) => {
        // Metrics go into the artifact; a heartbeat carries how far it is and where its checkpoint lies.
        const { metrics: _, ...rest } = latest;
        progress = { ...(progress?.checkpoint && { checkpoint: progress.checkpoint }), ...rest };
      },
    });
    // What is found made costs nothing.
    return { ...output, ...((output as { reused?: boolean }).reused ? nothing : spent()) };
  } catch (error) {
    // Temporal's own way of saying that the activity was cancelled.
    if (context.cancellationSignal.aborted) throw error;
    throw spentFailure(error, spent(), error instanceof InputError);
  } finally {
    clearInterval(beat);
  }
}
