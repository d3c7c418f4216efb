/** What labelers need, by their settings alone: pure functions, with which workflows choose task queues and steps. */
import type { LabelSettings, RoundLabelSettings } from './index.ts';

type Single = Exclude<LabelSettings, { by: 'combine' }>;

/** The labeler's own part of a run's label settings. */
export function labelerSettings(label: RoundLabelSettings): LabelSettings {
  const { truncated: _, ...settings } = label;
  return settings;
}

/** Whether a labeler uses the engine: its shards then go to GPU workers. */
export const needsEngine = (settings: LabelSettings): boolean =>
  has(
    settings,
    (one) => one.by === 'reward-model' || one.by === 'pairrm' || (one.by === 'judge' && one.server === undefined),
  );

/** Whether scores are only comparable within a call, such as the share of the other responses that one beats. */
export const isComparative = (settings: LabelSettings): boolean =>
  has(settings, (one) => one.by === 'pairrm' || (one.by === 'judge' && one.mode === 'pairwise'));

/** Whether a labeler, or one of the parts of `combine`, passes a test. */
const has = (settings: LabelSettings, test: (one: Single) => boolean): boolean =>
  (settings.by === 'combine' ? settings.of : [settings]).some(test);
