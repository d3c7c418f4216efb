import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { logisticLoss } from './logistic.ts';
import type { Objective } from './objective.ts';

/**
 * Length-regularized DPO (R-DPO, arXiv 2403.19159): -logsigmoid(beta (s(chosen) - s(rejected)) + alpha (|chosen| - |rejected|)), where
 * |y| is the number of tokens of y. It is DPO for the reward minus alpha |y|: a preference for the longer response is explained by its
 * length in part, and teaches less. The paper's alpha is `lengthPenalty` here.
 */
export const rDpo: Objective<ObjectiveSettings<'r-dpo'>> = {
  loss(g, { chosen, rejected, labelSmoothing }, { beta, lengthPenalty }) {
    const margin = ops.mul(g, ops.sub(g, chosen.ratio, rejected.ratio), g.scalar(beta));
    const lengths = ops.mul(g, ops.sub(g, chosen.tokens, rejected.tokens), g.scalar(lengthPenalty));
    return logisticLoss(g, ops.add(g, margin, lengths), labelSmoothing);
  },
};
