import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * Exploratory Preference Optimization (arXiv 2405.21046, Algorithm 1): DPO's loss + alpha log pi(reference). Its gradient is
 * that of SELM with alpha_XPO = alpha beta.
 */
export const xpo: Objective<ObjectiveSettings<'xpo'>> = {
  referenceResponse: true,
  referencePolicy: true,
  loss(g, preferences, settings) {
    const optimism = ops.mul(g, preferences.reference.logp, g.scalar(settings.alpha));
    return ops.add(g, dpo.loss(g, preferences, settings), optimism);
  },
};
