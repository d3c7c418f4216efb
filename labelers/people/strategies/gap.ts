/**
 * gap: the pairs with the largest predicted gap in quality, |r(y1) − r(y2)| for implicit rewards r. As DeltaUCB of ActiveUltraFeedback
 * (arXiv 2603.09692), which adds confidence bounds to its rewards; the implicit reward is a single estimate without bounds. Where the
 * prediction is wrong, the vote teaches most; where it is right, chosen and rejected are far apart.
 */
import { byValue } from './by-value.ts';
import { marginOf } from './strategy.ts';

export const gap = byValue({ rewards: true }, (prompt, pair) => Math.abs(marginOf(prompt, pair)));
