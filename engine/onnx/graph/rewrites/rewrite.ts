/** Rewrites: cheaper backward passes for patterns of the forward graph. */
import type { Graph, Node, Vjp } from '../tensor.ts';

/**
 * Replaces the vjp of the nodes that it matches by an equal one that takes less time or memory. Equal up to rounding: a model's
 * training gives the same numbers to the bit only as long as its rewrites stay the same.
 */
export interface Rewrite {
  /** @param g the graph whose tape holds the node and those before it */
  matches(g: Graph, node: Node): boolean;
  vjp: Vjp;
}
