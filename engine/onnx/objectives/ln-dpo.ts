import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { logisticLoss } from './logistic.ts';
import type { Objective } from './objective.ts';

/**
 * Length-normalized DPO (Tulu 3, arXiv 2411.15124, section 5; `sigmoid_norm` in TRL):
 * -logsigmoid(beta (s(chosen) / |chosen| - s(rejected) / |rejected|)), where |y| is the number of tokens of y.
 */
export const lnDpo: Objective<ObjectiveSettings<'ln-dpo'>> = {
  loss(g, { chosen, rejected, labelSmoothing }, { beta }) {
    const [won, lost] = [chosen, rejected].map(({ ratio, tokens }) => ops.div(g, ratio, tokens));
    return logisticLoss(g, ops.mul(g, ops.sub(g, won, lost), g.scalar(beta)), labelSmoothing);
  },
};
