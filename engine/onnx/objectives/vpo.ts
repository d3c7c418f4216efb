import type { ObjectiveSettings } from '../../protocol/settings.ts';
import type { Objective } from './objective.ts';
import { selm } from './selm.ts';

/**
 * Value-Incentivized Preference Optimization, online (arXiv 2405.19320): DPO's loss less alpha times the value of the best policy
 * under the implied reward. Rewards are determined up to a shift for each prompt; fixed so that a calibration policy's answers
 * have mean 0, that value is -beta s(y) in the mean over the calibration policy's answers y. So the loss is SELM's, with y
 * from a policy that stays what it is. In a run that is the start policy; for another, give its answers as
 * `reference_response` to `selm optimize`.
 */
export const vpo: Objective<ObjectiveSettings<'vpo'>> = {
  referenceResponse: true,
  referencePolicy: true,
  loss: (g, preferences, settings) => selm.loss(g, preferences, settings),
};
