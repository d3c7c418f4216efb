/** What an objective is: a loss for each preference, as a graph. */
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ObjectiveSettings } from '../settings.ts';

/**
 * The log-ratios s(y) = log pi(y | x) - log pi_ref(y | x) of a batch of preferences, [P] each: summed over response tokens,
 * EOS included. `reference` belongs to the reference policy's own answer.
 */
export interface LogRatios {
  chosen: Tensor;
  rejected: Tensor;
  reference: Tensor;
}

/** Builds the loss of each preference, [P]. */
export type Objective = (g: Graph, ratios: LogRatios, settings: ObjectiveSettings) => Tensor;
