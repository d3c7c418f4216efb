import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { logisticLoss } from './logistic.ts';
import type { Objective } from './objective.ts';

/** Direct Preference Optimization (arXiv 2305.18290, equation 7): -logsigmoid(beta (s(chosen) - s(rejected))). */
export const dpo: Objective<Pick<ObjectiveSettings<'dpo'>, 'beta'>> = {
  loss(g, { chosen, rejected, labelSmoothing }, { beta }) {
    const margin = ops.mul(g, ops.sub(g, chosen.ratio, rejected.ratio), g.scalar(beta));
    return logisticLoss(g, margin, labelSmoothing);
  },
};
