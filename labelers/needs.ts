/** What labelers need, told by their settings alone: pure functions, by which workflows decide where and how answers are judged. */
import type { LabelSettings, RoundLabelSettings } from './index.ts';

type Single = Exclude<LabelSettings, { by: 'combine' }>;

/** The labeler's part of a round's label settings. */
export function labelerSettings(label: RoundLabelSettings): LabelSettings {
  const { truncated: _, ...settings } = label;
  return settings;
}

/** Whether a labeler computes on the engine: then its shards wait for a worker that has one. */
export const needsEngine = (settings: LabelSettings): boolean =>
  has(
    settings,
    (one) => one.by === 'reward-model' || one.by === 'pairrm' || (one.by === 'judge' && one.server === undefined),
  );

/** Whether a labeler's scores only say something of answers that are judged together, such as the share of the others that one beats. */
export const isComparative = (settings: LabelSettings): boolean =>
  has(settings, (one) => one.by === 'pairrm' || (one.by === 'judge' && one.mode === 'pairwise'));

/** Whether that is so of a labeler, or of one of those that it is combined of. */
const has = (settings: LabelSettings, test: (one: Single) => boolean): boolean =>
  (settings.by === 'combine' ? settings.of : [settings]).some(test);
