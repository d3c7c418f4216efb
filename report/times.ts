/** How long the steps of a run took, and what the machines that ran the model cost. */
import { STEPS, type StepName } from '../workflows/status.ts';

/** An activity that has ended well. Of several attempts, what the last one took. */
export interface ActivityTime {
  /** None: before the first round or after the last. */
  round?: number;
  name: string;
  /** Whether it needs a machine that runs the model. */
  model: boolean;
  /** Milliseconds since 1970: when it was first put on its queue, when a worker took it, when it ended. */
  scheduled: number;
  started: number;
  ended: number;
}

export interface StepTime {
  /** None: before the first round or after the last. */
  round?: number;
  step: StepName | 'start' | 'end';
  /** From the first activity on its queue to the end of the last. */
  seconds: number;
  /** The time of all its activities on workers that run the model, and on those that do not. */
  modelSeconds: number;
  controlSeconds: number;
}

const key = (round: number | undefined, step: string) => `${round ?? ''} ${step}`;

/** Per step, in the order of the run. */
export function stepTimes(activities: ActivityTime[]): StepTime[] {
  const groups = new Map<string, ActivityTime[]>();
  const firstRound = Math.min(
    ...activities.filter(({ round }) => round !== undefined).map(({ scheduled }) => scheduled),
  );
  for (const activity of activities) {
    const step = stepOf(activity, activities) ?? (activity.scheduled < firstRound ? 'start' : 'end');
    const group = key(activity.round, step);
    groups.set(group, [...(groups.get(group) ?? []), activity]);
  }
  const rounds = [...new Set(activities.flatMap(({ round }) => round ?? []))].sort((a, b) => a - b);
  const order: Pick<StepTime, 'round' | 'step'>[] = [
    { step: 'start' },
    ...rounds.flatMap((round) => STEPS.map((step) => ({ round, step }))),
    { step: 'end' },
  ];
  return order.flatMap(({ round, step }) => {
    const group = groups.get(key(round, step));
    return group ? [{ ...(round !== undefined && { round }), step, ...sum(group) }] : [];
  });
}

/** Answers to the held-out prompts are sampled, and labeled, once a policy is trained. */
function stepOf({ round, name, scheduled }: ActivityTime, all: ActivityTime[]): StepName | undefined {
  if (round === undefined) return undefined;
  if (name === 'optimize' || name === 'reference' || name === 'label') return name;
  const trained = all.some((other) => other.round === round && other.name === 'optimize' && other.ended <= scheduled);
  if (trained) return 'evaluate';
  return name === 'sample' ? 'sample' : 'label';
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
