/** Properties of labelers that workflows use to choose task queues and steps. Pure functions of the settings. */
import { compares } from './comparing.ts';
import type { LabelSettings, PeopleSettings, RoundLabelSettings } from './index.ts';

type Single = Exclude<LabelSettings, { by: 'combine' }>;

/**
 * The settings of the labeler that scores a round's responses, without the other label settings of a run. Undefined if people are asked
 * and no labeler scores the rest.
 */
export function labelerSettings(label: Exclude<RoundLabelSettings, PeopleSettings>): LabelSettings;
export function labelerSettings(label: RoundLabelSettings): LabelSettings | undefined;
export function labelerSettings(label: RoundLabelSettings): LabelSettings | undefined {
  if (label.by === 'people') return label.otherwise;
  const { truncated: _, ...settings } = label;
  return settings;
}

interface HeldOutLabeling {
  label: RoundLabelSettings;
  evaluate: { labeler?: LabelSettings };
}

/** The settings of the labeler that scores held-out responses. The schema of a run ensures that there is one. */
export const heldOutLabeler = ({ label, evaluate }: HeldOutLabeling): LabelSettings =>
  evaluate.labeler ?? labelerSettings(label)!;

/** Whether a labeler uses the engine. If so, its shards run on GPU workers. */
export const needsEngine = (settings: LabelSettings): boolean =>
  has(
    settings,
    (one) => one.by === 'pairrm' || ((one.by === 'reward-model' || one.by === 'judge') && one.server === undefined),
  );

/** Whether a server computes scores that selm does not keep, so that they cannot be computed again bit by bit. */
export const scoresOnServer = (settings: LabelSettings): boolean =>
  has(settings, (one) => one.by === 'reward-model' && one.server !== undefined);

/**
 * Whether the torch backend can compute all of a labeler that the engine computes. A step is computed by one backend, so PairRM beside
 * another model stays on ONNX Runtime.
 */
export const canUseTorch = (settings: LabelSettings): boolean =>
  needsEngine(settings) && !has(settings, (one) => one.by !== 'pairrm' && needsEngine(one));

/** Whether scores are only comparable within a call, for example shares of won comparisons; of `combine`: those of a part. */
export const isComparative = (settings: LabelSettings): boolean => has(settings, compares);

/** Whether `test` is true for a labeler, or for any part of `combine`. */
const has = (settings: LabelSettings, test: (one: Single) => boolean): boolean =>
  (settings.by === 'combine' ? settings.of : [settings]).some(test);
