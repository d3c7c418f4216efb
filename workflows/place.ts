/** Which step of a run an activity belongs to: the activity's summary, which Temporal's UI shows and the report reads. */
import type { StepName } from './status.ts';

/** Steps before the first round and after the last one. `prepare` also checks a round's prompts again (see recheck). */
export type OutsideStep = 'prepare' | 'start' | 'publish' | 'release';

export interface Place {
  /** Counted from 1. Undefined before the first round and after the last one. */
  round?: number;
  step: StepName | OutsideStep;
  /** Of a step that runs in shards: which one, counted from 1, of how many. */
  shard?: { index: number; of: number };
}

/** @example summaryOf({ round: 2, step: 'sample', shard: { index: 3, of: 8 } }) // 'round 2 · sample shard 3/8' */
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

/** A step that runs: where its activities belong, and who is told as they end. */
export interface RunningStep {
  place: Place;
  /** Called as an activity ends. @param reused whether its artifact existed before */
  tick: (reused: boolean) => void;
}
