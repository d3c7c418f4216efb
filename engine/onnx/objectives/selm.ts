import * as ops from '../graph/ops.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';

/**
 * Self-Exploring Language Models (arXiv 2405.19332): DPO with optimism. The reward lives in the policy, so preferring
 * hypotheses under which unseen answers are good means lowering the reference policy's own answer a little:
 * -logsigmoid(beta (s(chosen) - s(rejected))) + alpha beta s(reference).
 */
export const selm: Objective<Omit<ObjectiveSettings<'selm'>, 'name'>> = {
  referenceResponse: true,
  referencePolicy: true,
  loss(g, preferences, settings) {
    const optimism = ops.mul(g, preferences.reference.ratio, g.scalar(settings.alpha * settings.beta));
    return ops.add(g, dpo.loss(g, preferences, settings), optimism);
  },
};
