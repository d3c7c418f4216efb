/**
 * What a run spends: the seconds in which its activities hold a GPU worker, as the activities tell them, those of failed attempts
 * too. What is found made costs nothing. Every workflow has a copy of this module, and so its own count.
 */
import { ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { Spent } from '../activities/spent.ts';
import type { RunConfig } from '../config/run.ts';

const count = { seconds: 0, limit: Infinity };

export const spent = (): number => count.seconds;
export const secondsLeft = (): number => count.limit - count.seconds;
export const isBudgetSpent = (): boolean => count.seconds >= count.limit;

export function spend(seconds: number): void {
  count.seconds += seconds;
}

/** Goes on counting from `seconds`, up to `limit`, after which no more work is begun. */
export function countFrom(seconds: number, limit: number): void {
  Object.assign(count, { seconds, limit });
}

export const budgetSeconds = ({ budget }: RunConfig): number =>
  budget ? (budget.usd / budget.usdPerGpuHour) * 3600 : Infinity;

export const usdOf = (seconds: number, { usdPerGpuHour }: NonNullable<RunConfig['budget']>): number =>
  (seconds / 3600) * usdPerGpuHour;

/** What has been spent on something that failed: the outermost that tells it has counted all below. */
export function secondsOfFailure(error: unknown): number {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const told =
      cause instanceof ApplicationFailure
        ? cause.details?.find(isSpent)
        : cause instanceof TimeoutFailure && cause.lastHeartbeatDetails;
    if (isSpent(told)) return told.seconds;
  }
  return 0;
}

const isSpent = (value: unknown): value is Spent =>
  typeof value === 'object' && value !== null && typeof (value as Spent).seconds === 'number';

/** A round ends before it is done: somebody asked for it, or the budget is spent. */
export class Halted extends Error {}

/** By which a run knows that this has parked it. */
export const BUDGET_SPENT = 'BudgetSpent';
