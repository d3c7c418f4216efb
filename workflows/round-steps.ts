/** Runs the steps of a round in sequence, tracks their status, and ends early on request or when the budget is spent. */
import {
  defineQuery,
  defineSignal,
  isCancellation,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
} from '@temporalio/workflow';
import { describeRound } from './details.ts';
import { stepFailed } from './failure.ts';
import type { RunningStep } from './place.ts';
import { Halted, isBudgetSpent, spent } from './spending.ts';
import { STEPS, type RoundStatus, type StepName, type StepStatus } from './status.ts';

export const roundStatusQuery = defineQuery<RoundStatus>('status');
/** Signal: end the round after the step in progress. */
export const haltSignal = defineSignal('halt');

/**
 * Registers the round's query and signal.
 * @returns a function that runs a step of `total` activities. It throws Halted if the round must end before the step starts
 */
export function runSteps(round: number) {
  const steps = Object.fromEntries(
    STEPS.map((name): [StepName, StepStatus] => [name, { state: 'waiting', done: 0, total: 1, reused: 0 }]),
  ) as Record<StepName, StepStatus>;
  let halting = false;
  const show = () => setCurrentDetails(describeRound({ round, steps }));
  setHandler(roundStatusQuery, () => ({ round, steps }));
  setHandler(haltSignal, () => void (halting = true));

  return async <T>(name: StepName, total: number, work: (running: RunningStep) => Promise<T>): Promise<T> => {
    if (halting || isBudgetSpent()) throw new Halted();
    const status = steps[name];
    Object.assign(status, { state: 'running', total });
    const tick = (reused: boolean) => {
      status.done++;
      status.reused += Number(reused);
      show();
    };
    show();
    try {
      const result = await work({ place: { round, step: name }, tick });
      status.state = 'done';
      return result;
    } catch (error) {
      status.state = error instanceof Halted ? 'waiting' : 'failed';
      throw error instanceof TemporalFailure && !isCancellation(error)
        ? stepFailed(name, { seconds: spent() }, error)
        : error;
    } finally {
      show();
    }
  };
}
