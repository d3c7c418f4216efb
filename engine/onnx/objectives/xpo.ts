import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * Exploratory Preference Optimization (arXiv 2405.21046, Algorithm 1): DPO's loss + alpha log pi(y), y an answer of the reference
 * policy, which in the paper is the first policy throughout. Its gradient is SELM's with alpha_XPO = alpha beta; what differs is
 * whose answer y is. In a run it is the start policy's. The log-ratios are to the policy that the round started from, as for
 * every objective; in the paper they are to the first policy, and each round trains on the preferences of all rounds before.
 */
export const xpo: Objective<ObjectiveSettings<'xpo'>> = {
  referenceResponse: true,
  referencePolicy: true,
  loss(g, preferences, settings) {
    const optimism = ops.mul(g, preferences.reference.logp, g.scalar(settings.alpha));
    return ops.add(g, dpo.loss(g, preferences, settings), optimism);
  },
};
