import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * Self-Exploring Language Models (arXiv 2405.19332): DPO with optimism,
 *
 *     -logsigmoid(beta (s(chosen) - s(rejected))) + alpha beta s(reference).
 *
 * The policy implies a reward. Optimism prefers rewards under which unseen responses may be good; for the policy this means making
 * a response of the reference policy a little less likely.
 */
export const selm: Objective<Omit<ObjectiveSettings<'selm'>, 'name'>> = {
  loss(g, preferences, settings) {
    const optimism = ops.mul(g, preferences.reference.ratio, g.scalar(settings.alpha * settings.beta));
    return ops.add(g, dpo.loss(g, preferences, settings), optimism);
  },
};
