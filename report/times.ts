/** Times of a run's steps: elapsed time, and time on the workers that run the model. */
import type { OutsideStep } from '../workflows/place.ts';
import { STEPS, type StepName } from '../workflows/status.ts';

/** A completed activity. If it had several attempts, the times are those of the last one. */
export interface ActivityTime {
  /** Undefined before the first round and after the last one. */
  round?: number;
  step: StepName | OutsideStep;
  /** Whether it ran on a worker that runs the model. */
  model: boolean;
  /** Times when the activity was scheduled, started and completed, in milliseconds since 1970. */
  scheduled: number;
  started: number;
  ended: number;
}

/** The times of a step. */
export interface StepTime extends Pick<ActivityTime, 'round' | 'step'> {
  /** From the scheduling of the first activity to the end of the last one. */
  seconds: number;
  /** Total time of the step's activities on workers that run the model, and on all other workers. */
  modelSeconds: number;
  controlSeconds: number;
}

const key = ({ round, step }: Pick<StepTime, 'round' | 'step'>) => `${round ?? ''} ${step}`;

/** The times of each step, in the order of the run. */
export function stepTimes(activities: ActivityTime[]): StepTime[] {
  const groups = new Map<string, ActivityTime[]>();
  for (const activity of activities) {
    const group = groups.get(key(activity));
    if (group) group.push(activity);
    else groups.set(key(activity), [activity]);
  }
  const rounds = [...new Set(activities.flatMap(({ round }) => round ?? []))].sort((a, b) => a - b);
  const order: Pick<StepTime, 'round' | 'step'>[] = [
    { step: 'prepare' },
    { step: 'start' },
    { step: 'benchmarks' },
    // The prompts of a round are prepared again if an operator changed settings that they were checked with.
    ...rounds.flatMap((round) => (['prepare', ...STEPS, 'benchmarks'] as const).map((step) => ({ round, step }))),
    { step: 'publish' },
    { step: 'release' },
  ];
  return order.flatMap(({ round, step }) => {
    const group = groups.get(key({ round, step }));
    return group ? [{ ...(round !== undefined && { round }), step, ...sum(group) }] : [];
  });
}

function sum(group: ActivityTime[]): Pick<StepTime, 'seconds' | 'modelSeconds' | 'controlSeconds'> {
  const busy = (model: boolean) =>
    group
      .filter((activity) => activity.model === model)
      .reduce((total, { started, ended }) => total + ended - started, 0) / 1000;
  const first = Math.min(...group.map(({ scheduled }) => scheduled));
  const last = Math.max(...group.map(({ ended }) => ended));
  return { seconds: (last - first) / 1000, modelSeconds: busy(true), controlSeconds: busy(false) };
}

/** A time as text. It is rounded before it is split: 119.6 seconds are 2 minutes. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** When a round ended, in seconds since 1970. @param round 0 for the measurement of the start policy */
export function endOf(activities: ActivityTime[], round: number): number | undefined {
  const own = activities.filter((activity) => (round === 0 ? activity.step === 'start' : activity.round === round));
  return own.length > 0 ? Math.max(...own.map(({ ended }) => ended)) / 1000 : undefined;
}
