/** What labelers need, told by their settings alone: pure functions, by which workflows decide where and how answers are judged. */
import type { LabelSettings } from './index.ts';

/** Labelers that compute on the engine: their shards wait for a worker that has one. */
const ON_ENGINE: readonly LabelSettings['by'][] = ['reward-model', 'pairrm'];

/** Labelers whose scores only say something of answers that are judged together, such as the share of the others that one beats. */
const COMPARATIVE: readonly LabelSettings['by'][] = ['pairrm'];

export const needsEngine = ({ by }: LabelSettings): boolean => ON_ENGINE.includes(by);

export const isComparative = ({ by }: LabelSettings): boolean => COMPARATIVE.includes(by);
