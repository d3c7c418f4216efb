/** The interface of preference objectives. */
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { ObjectiveSettings } from '../../protocol/settings.ts';

/** A batch's responses of one role (chosen, rejected or reference), one per preference: float32 [P] each. */
export interface Responses {
  /** log pi(y | x) in nats, summed over the response's tokens, the end-of-sequence token included. */
  logp: Tensor;
  /** s(y) = log pi(y | x) - log pi_ref(y | x), summed in the same way. */
  ratio: Tensor;
  /** The number of tokens of the response. */
  tokens: Tensor;
}

/** A batch of preferences. `reference` is a response of the reference policy. */
interface Preferences {
  chosen: Responses;
  rejected: Responses;
  reference: Responses;
  /** The assumed probability that the rejected response is the better one, float32 [P], if the settings have label smoothing. */
  labelSmoothing?: Tensor;
}

/** A preference objective: its loss. What it needs is in engine/protocol/objectives.ts. */
export interface Objective<S = ObjectiveSettings> {
  /** Appends the loss of each preference, float32 [P]. */
  loss(g: Graph, preferences: Preferences, settings: S): Tensor;
}
