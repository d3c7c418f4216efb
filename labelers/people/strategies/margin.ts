/**
 * margin: the pairs about which the policy is least certain. With implicit rewards r, P(y1 ≻ y2) = σ(r(y1) − r(y2)) (DPO, arXiv
 * 2305.18290); the pairs with the smallest |σ(r(y1) − r(y2)) − 1/2| are selected. This is uncertainty sampling (Lewis and Gale, 1994,
 * arXiv cmp-lg/9407020) by the policy's own preference model.
 */
import { sigmoid } from '../../../data/numbers.ts';
import { byValue } from './by-value.ts';
import { marginOf } from './strategy.ts';

export const margin = byValue({ rewards: true }, (prompt, pair) => -Math.abs(sigmoid(marginOf(prompt, pair)) - 1 / 2));
