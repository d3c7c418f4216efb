/** Properties of labelers that workflows use to choose task queues and steps. Pure functions of the settings. */
import type { LabelSettings, RoundLabelSettings } from './index.ts';

type Single = Exclude<LabelSettings, { by: 'combine' }>;

/** The settings of the labeler, without the other label settings of a run. */
export function labelerSettings(label: RoundLabelSettings): LabelSettings {
  const { truncated: _, ...settings } = label;
  return settings;
}

/** Whether a labeler uses the engine. If so, its shards run on GPU workers. */
export const needsEngine = (settings: LabelSettings): boolean =>
  has(
    settings,
    (one) => one.by === 'pairrm' || ((one.by === 'reward-model' || one.by === 'judge') && one.server === undefined),
  );

/** Whether a server computes scores that selm does not keep, so that they cannot be computed again bit by bit. */
export const scoresOnServer = (settings: LabelSettings): boolean =>
  has(settings, (one) => one.by === 'reward-model' && one.server !== undefined);

/** Whether scores are only comparable within a call, for example shares of won comparisons. */
export const isComparative = (settings: LabelSettings): boolean =>
  has(settings, (one) => one.by === 'pairrm' || (one.by === 'judge' && one.mode === 'pairwise'));

/** Whether `test` is true for a labeler, or for any part of `combine`. */
const has = (settings: LabelSettings, test: (one: Single) => boolean): boolean =>
  (settings.by === 'combine' ? settings.of : [settings]).some(test);
