import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * Self-Exploring Preference-Incentive Online Preference Optimization (arXiv 2502.00666), as its authors train it
 * (https://github.com/MYC000801/SE-POPO, dpo_iteration/wpo.py): DPO's loss +
 *
 *     alpha (sigmoid(beta s(y)) - 1/2) / beta,
 *
 * where y is the first of the responses that the round's policy has sampled, here the reference response. The bonus is a preference,
 * not a reward, so it is bounded. While the policy equals the reference policy its gradient is that of SELM with
 * alpha_SELM = alpha / (4 beta); alpha and beta are those of the paper.
 */
export const sePopo: Objective<ObjectiveSettings<'se-popo'>> = {
  loss(g, preferences, settings) {
    const { alpha, beta } = settings;
    const preference = ops.sigmoid(g, ops.mul(g, preferences.reference.ratio, g.scalar(beta)));
    const bonus = ops.mul(g, ops.sub(g, preference, g.scalar(1 / 2)), g.scalar(alpha / beta));
    return ops.add(g, dpo.loss(g, preferences, settings), bonus);
  },
};
