/** Preference optimization as a training task: an objective over log-ratios to the reference policy. */
import type { Role } from '../../../data/records.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';
import { preferenceMetrics, type PreferenceExample } from '../../training/preference.ts';
import * as ops from '../graph/ops.ts';
import { objectiveOf } from '../objectives/index.ts';
import { sftLoss } from '../objectives/sft.ts';
import { float32, int64 } from '../session.ts';
import type { TrainingTask } from './task.ts';

/** Training on preferences: the loss is the mean of the objective, and of the SFT term if it has a weight, over a batch's preferences. */
export function preferenceTask(
  examples: PreferenceExample[],
  settings: ObjectiveSettings,
): TrainingTask<PreferenceExample> {
  const objective = objectiveOf(settings);
  return {
    examples,

    loss(g, logps) {
      const ratios = ops.sub(g, logps, g.input('reference_logps', 'float32', logps.shape));
      const tokens = g.input('response_tokens', 'float32', logps.shape);
      const pick = (role: Role) => {
        const indices = g.input(role, 'int64', ['P']);
        const [logp, ratio, count] = [logps, ratios, tokens].map((values) => ops.gather(g, values, indices));
        return { logp, ratio, tokens: count };
      };
      const preferences = {
        chosen: pick('chosen'),
        rejected: pick('rejected'),
        reference: pick('reference'),
        ...(settings.labelSmoothing && { labelSmoothing: g.input('label_smoothing', 'float32', ['P']) }),
      };
      const losses = objective.loss(g, preferences, settings);
      const { sftWeight } = settings;
      const total = sftWeight
        ? ops.add(g, losses, ops.mul(g, sftLoss(g, preferences.chosen), g.scalar(sftWeight)))
        : losses;
      return ops.reduceSum(g, total, 0, false);
    },

    feeds(batch) {
      const reference = Float32Array.from(batch.flatMap((example) => example.referenceLogps));
      const tokens = Float32Array.from(batch.flatMap(({ lengths }) => lengths));
      let start = 0;
      const starts = batch.map(({ group }) => {
        start += group.responses.length;
        return start - group.responses.length;
      });
      const indicesOf = (role: Role) =>
        int64(
          batch.map((example, i) => starts[i] + example[role]),
          [batch.length],
        );
      return {
        reference_logps: float32(reference, [reference.length]),
        response_tokens: float32(tokens, [tokens.length]),
        chosen: indicesOf('chosen'),
        rejected: indicesOf('rejected'),
        reference: indicesOf('reference'),
        ...(settings.labelSmoothing && {
          label_smoothing: float32(
            Float32Array.from(batch, (example) => example.labelSmoothing!),
            [batch.length],
          ),
        }),
      };
    },

    scale: (batch) => 1 / batch.length,

    metrics: (batch, logps) => preferenceMetrics(batch, logps, settings),
  };
}
