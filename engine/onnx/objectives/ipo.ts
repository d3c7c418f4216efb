import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import type { Objective } from './objective.ts';

/**
 * Identity Preference Optimization (arXiv 2310.12036, equation 17): (s(chosen) - s(rejected) - 1 / (2 beta))^2, where s is
 * averaged over the response's tokens, as in TRL on the advice of the paper's authors.
 */
export const ipo: Objective<ObjectiveSettings<'ipo'>> = {
  loss(g, { chosen, rejected }, { beta }) {
    const [won, lost] = [chosen, rejected].map(({ ratio, tokens }) => ops.div(g, ratio, tokens));
    const distance = ops.sub(g, ops.sub(g, won, lost), g.scalar(1 / (2 * beta)));
    return ops.mul(g, distance, distance);
  },
};
