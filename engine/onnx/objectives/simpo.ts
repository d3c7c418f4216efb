import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { logisticLoss } from './logistic.ts';
import type { Objective } from './objective.ts';

/**
 * Simple Preference Optimization (arXiv 2405.14734, equation 6): -logsigmoid(beta (m(chosen) - m(rejected)) - gamma), where
 * m(y) = log pi(y | x) averaged over the response's tokens. There is no reference policy. Label smoothing is as in TRL's CPOTrainer.
 */
export const simpo: Objective<ObjectiveSettings<'simpo'>> = {
  loss(g, { chosen, rejected, labelSmoothing }, { beta, gamma }) {
    const [won, lost] = [chosen, rejected].map(({ logp, tokens }) => ops.div(g, logp, tokens));
    const margin = ops.sub(g, ops.mul(g, ops.sub(g, won, lost), g.scalar(beta)), g.scalar(gamma));
    return logisticLoss(g, margin, labelSmoothing);
  },
};
