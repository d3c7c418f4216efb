/** What labelers need, told by their settings alone: pure functions, by which workflows decide where and how answers are judged. */
import type { LabelSettings } from './index.ts';

type By = LabelSettings['by'];

/** Labelers that compute on the engine: their shards wait for a worker that has one. */
const ON_ENGINE: readonly By[] = ['reward-model', 'pairrm'];

/** Labelers whose scores only say something of answers that are judged together, such as the share of the others that one beats. */
const COMPARATIVE: readonly By[] = ['pairrm'];

export const needsEngine = (settings: LabelSettings): boolean => has(ON_ENGINE, settings);

export const isComparative = (settings: LabelSettings): boolean => has(COMPARATIVE, settings);

/** Whether a labeler, or one of those that it is combined of, is among these. */
const has = (names: readonly By[], settings: LabelSettings): boolean =>
  (settings.by === 'combine' ? settings.of : [settings]).some(({ by }) => names.includes(by));
