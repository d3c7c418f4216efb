/** The place of an activity in a run: round, step and shard. Its text form is the activity's summary in Temporal's UI and histories. */
import type { PoolName } from '../config/pools.ts';
import type { StepName } from './status.ts';

/** Steps before the first round, after the last one, and between rounds (`benchmarks`). `prepare` includes repeated checks of a round's prompts (see recheck). */
export type OutsideStep = 'prepare' | 'start' | 'benchmarks' | 'publish' | 'release';

export interface Place {
  /** The round, counted from 1. Undefined before the first round and after the last one. */
  round?: number;
  step: StepName | OutsideStep;
  /** The shard, counted from 1, and the number of shards. Only for steps that run in shards. */
  shard?: { index: number; of: number };
}

/**
 * The summary of an activity.
 * @example summaryOf({ round: 2, step: 'sample', shard: { index: 3, of: 8 } }) // 'round 2 · sample shard 3/8'
 */
export function summaryOf({ round, step, shard }: Place): string {
  const rounds = round === undefined ? '' : `round ${round} · `;
  return `${rounds}${step}${shard ? ` shard ${shard.index}/${shard.of}` : ''}`;
}

const SUMMARY = /^(?:round (\d+) · )?(\w+)(?: shard (\d+)\/(\d+))?$/;

/** The inverse of `summaryOf`. @returns undefined for a text that is not such a summary */
export function placeIn(summary: string): Place | undefined {
  const [found, round, step, index, of] = SUMMARY.exec(summary) ?? [];
  if (found === undefined) return undefined;
  return {
    ...(round !== undefined && { round: Number(round) }),
    step: step as Place['step'],
    ...(index !== undefined && { shard: { index: Number(index), of: Number(of) } }),
  };
}

/** A step in progress: its place, the workers that compute it, and a callback for finished activities. */
export interface RunningStep {
  place: Place;
  pool: PoolName;
  /** Called when an activity ends. @param reused whether its artifact was cached */
  tick: (reused: boolean) => void;
}
