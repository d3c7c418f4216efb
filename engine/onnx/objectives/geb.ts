import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * General Exploratory Bonus (arXiv 2510.03269) under the KL divergence: DPO's loss + alpha pi(rejected | x).
 *
 * The paper's bonus is kappa E[u f'(u) - f(u)] for a divergence with f and a u that decreases with pi. For KL, f(x) = x log x, it is
 * kappa E[u]. With u = 1 + c - pi, c the order of the divergence, and without its constant, the loss gets + kappa pi(y). This is
 * `loss_type: geb_p`, `f_div: kl` of the authors' code (https://github.com/WindyLee0822/GEB, dpo_iteration/wpo.py), whose y is the
 * rejected response. The paper's kappa is alpha here; the paper's alpha, the order of the divergence, is c above.
 *
 * pi(y) is the probability of the whole response. For responses of more than about a hundred tokens it is 0 in float32 unless the
 * policy is nearly certain, and the loss is DPO's.
 */
export const geb: Objective<ObjectiveSettings<'geb'>> = {
  loss(g, preferences, settings) {
    const bonus = ops.mul(g, ops.exp(g, preferences.rejected.logp), g.scalar(settings.alpha));
    return ops.add(g, dpo.loss(g, preferences, settings), bonus);
  },
};
