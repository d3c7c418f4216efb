import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * Exploratory Preference Optimization (arXiv 2405.21046, Algorithm 1): DPO's loss + alpha log pi(y), where y is a response of the
 * reference policy, in the paper the start policy in all rounds. Its gradient is that of SELM with alpha_XPO = alpha beta; the
 * difference is which policy y is from. In a run it is the start policy. The log-ratios are to the policy that the round started
 * from, as for every objective here; in the paper they are to the start policy, and each round trains on all earlier preferences.
 */
export const xpo: Objective<ObjectiveSettings<'xpo'>> = {
  loss(g, preferences, settings) {
    const optimism = ops.mul(g, preferences.reference.logp, g.scalar(settings.alpha));
    return ops.add(g, dpo.loss(g, preferences, settings), optimism);
  },
};
