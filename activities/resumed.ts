/** What a training that was interrupted computes again, for its heartbeats. */
import { counted } from '../data/counted.ts';
import type { Progress } from '../engine/protocol/jobs.ts';

/** A part of the heartbeats of a training that an earlier attempt began. */
export interface Resumed {
  resumed?: {
    /** The step of the checkpoint; 0 if there was none. */
    from: number;
    /** Steps after the checkpoint that the earlier attempt had done. */
    again: number;
  };
}

/**
 * @param first the first progress of an attempt
 * @param before the last heartbeat of the attempt before
 * @returns undefined if this attempt is the first one, and no training
 */
export function resumedFrom(first: Progress, before: Partial<Progress> | undefined): Resumed['resumed'] {
  if (first.unit !== 'steps') return undefined;
  const from = first.resumedFromStep ?? 0;
  const again = before?.unit === 'steps' ? Math.max(0, (before.done ?? 0) - from) : 0;
  return from > 0 || again > 0 ? { from, again } : undefined;
}

/** @example 'Training resumed from step 120 of 300; 14 steps are computed again.' */
export const sentenceOn = ({ from, again }: NonNullable<Resumed['resumed']>, total: number): string =>
  `Training resumed from step ${from} of ${total}; ${counted(again, 'step is', 'steps are')} computed again.`;
