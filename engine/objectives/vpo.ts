import type { ObjectiveSettings } from '../settings.ts';
import type { Objective } from './objective.ts';
import { selm } from './selm.ts';

/**
 * Value-Incentivized Preference Optimization, online (arXiv 2405.19320): -logsigmoid(beta (s(chosen) - s(rejected))) +
 * alpha beta s(y), y from a calibration policy that stays what it is. Here y is the row's reference response. In a run that is
 * an answer of the policy the round started from, and so VPO is SELM there; for another calibration policy, give its answers
 * as `reference_response` to `selm optimize`.
 */
export const vpo: Objective<ObjectiveSettings<'vpo'>> = {
  referenceResponse: true,
  referencePolicy: true,
  loss: (g, preferences, settings) => selm.loss(g, preferences, settings),
};
