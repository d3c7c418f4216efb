import type { ObjectiveSettings } from '../../protocol/settings.ts';
import type { Objective } from './objective.ts';
import { selm } from './selm.ts';

/**
 * Value-Incentivized Preference Optimization, online (arXiv 2405.19320): DPO's loss minus alpha times the value of the best policy
 * under the implied reward. A reward is determined up to a shift per prompt. With the shift that gives a calibration policy's
 * responses the mean reward 0, that value is the mean of -beta s(y) over the calibration policy's responses y. So the loss is
 * SELM's, with y from a policy that does not change between rounds. In a run it is the start policy; to use another, give its
 * responses as `reference_response` to `selm optimize`.
 */
export const vpo: Objective<ObjectiveSettings<'vpo'>> = {
  loss: (g, preferences, settings) => selm.loss(g, preferences, settings),
};
