/** What an objective is: a loss for each preference, as a graph. */
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';

/** What is known of a batch's responses of one role, [P] each. */
export interface Responses {
  /** log pi(y | x), summed over the response's tokens, EOS included. */
  logp: Tensor;
  /** s(y) = log pi(y | x) - log pi_ref(y | x), summed likewise. */
  ratio: Tensor;
  /** Tokens of the response. */
  tokens: Tensor;
}

/** A batch of preferences. `reference` is the reference policy's own answer. */
export interface Preferences {
  chosen: Responses;
  rejected: Responses;
  reference: Responses;
}

export interface Objective<S = ObjectiveSettings> {
  /** Whether it looks at the reference policy's own answer. */
  referenceResponse: boolean;
  /** Whether it looks at log-probabilities under the reference policy. */
  referencePolicy: boolean;
  /** Builds the loss of each preference, [P]. */
  loss(g: Graph, preferences: Preferences, settings: S): Tensor;
}
