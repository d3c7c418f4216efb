/**
 * Counts a run's GPU seconds: the time for which its activities hold a GPU worker, including failed attempts, as reported by the
 * activities. A reused artifact costs nothing. Each workflow execution has its own copy of this module and therefore its own count.
 */
import { ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { Spent } from '../activities/spent.ts';
import type { RunConfig } from '../config/run.ts';

const count = { seconds: 0, limit: Infinity };

/** GPU seconds spent so far. */
export const spent = (): number => count.seconds;
/** The remaining GPU seconds of the budget. Infinity without a budget. */
export const secondsLeft = (): number => count.limit - count.seconds;
/** Whether the budget's GPU seconds are spent. */
export const isBudgetSpent = (): boolean => count.seconds >= count.limit;

/** Adds GPU seconds. @param seconds of GPU workers */
export function spend(seconds: number): void {
  count.seconds += seconds;
}

/** Starts the count at `seconds`. No shard starts after `limit` is reached. */
export function countFrom(seconds: number, limit: number): void {
  Object.assign(count, { seconds, limit });
}

/** The GPU seconds that the budget pays for. Infinity without a budget. */
export const budgetSeconds = ({ budget }: RunConfig): number =>
  budget ? (budget.usd / budget.usdPerGpuHour) * 3600 : Infinity;

/** The price of GPU seconds in US dollars. */
export const usdOf = (seconds: number, { usdPerGpuHour }: NonNullable<RunConfig['budget']>): number =>
  (seconds / 3600) * usdPerGpuHour;

/** The GPU seconds spent on failed work. The outermost error that reports them includes those of its causes. */
export function secondsOfFailure(error: unknown): number {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const reported =
      cause instanceof ApplicationFailure
        ? cause.details?.find(isSpent)
        : cause instanceof TimeoutFailure && cause.lastHeartbeatDetails;
    if (isSpent(reported)) return reported.seconds;
  }
  return 0;
}

const isSpent = (value: unknown): value is Spent =>
  typeof value === 'object' && value !== null && typeof (value as Spent).seconds === 'number';

/** Thrown when a round ends early: an operator requested it, or the budget is spent. */
export class Halted extends Error {}

/** The type of the failure that parks a run whose budget is spent. */
export const BUDGET_SPENT = 'BudgetSpent';
