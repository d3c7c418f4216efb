/** Runs the steps of a round in sequence, tracks their status, and ends early on request or when the budget is spent. */
import {
  defineQuery,
  defineSignal,
  isCancellation,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
} from '@temporalio/workflow';
import type { PoolName } from '../config/pools.ts';
import { describeRound } from './details.ts';
import { stepFailed } from './failure.ts';
import type { RunningStep } from './place.ts';
import { Halted, isBudgetSpent, spent } from './spending.ts';
import { STEPS, type RoundStatus, type StepName, type StepStatus, type VotingStatus } from './status.ts';

export const roundStatusQuery = defineQuery<RoundStatus>('status');
/** Signal: end the round after the step in progress. */
export const haltSignal = defineSignal('halt');

/**
 * Registers the round's query and signal.
 * @param pool computes the steps with a model
 * @param voting how far the voting of the round is, while it waits for votes
 * @returns `step` runs a step of `total` activities, and throws Halted if the round must end before the step starts; `isHalting`: whether
 *   it must end; `show` shows a new status in Temporal's UI
 */
export function runSteps(round: number, pool: PoolName, voting: () => VotingStatus | undefined) {
  const steps = Object.fromEntries(
    STEPS.map((name): [StepName, StepStatus] => [name, { state: 'waiting', done: 0, total: 1, reused: 0 }]),
  ) as Record<StepName, StepStatus>;
  let halting = false;
  const roundStatus = (): RoundStatus => {
    const asked = voting();
    return { round, steps, ...(asked && { voting: asked }) };
  };
  const show = () => setCurrentDetails(describeRound(roundStatus()));
  setHandler(roundStatusQuery, roundStatus);
  setHandler(haltSignal, () => void (halting = true));

  const step = async <T>(name: StepName, total: number, work: (running: RunningStep) => Promise<T>): Promise<T> => {
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
      const result = await work({ place: { round, step: name }, pool, tick });
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
  return { step, show, isHalting: () => halting };
}
