import * as ops from '../graph/ops.ts';
import type { Objective } from './objective.ts';

/** Direct Preference Optimization (arXiv 2305.18290): -logsigmoid(beta (s(chosen) - s(rejected))). */
export const dpo: Objective = (g, { chosen, rejected }, { beta }) => {
  const margin = ops.mul(g, ops.sub(g, chosen, rejected), g.scalar(beta));
  return ops.softplus(g, ops.neg(g, margin));
};
