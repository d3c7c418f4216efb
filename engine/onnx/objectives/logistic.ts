import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';

/**
 * The logistic loss of a margin h: -logsigmoid(h).
 *
 * With label smoothing eps it is that of cDPO (Mitchell 2023, "A note on DPO with noisy preferences & relationship to IPO",
 * https://ericmitchell.ai/cdpo.pdf): -(1 - eps) logsigmoid(h) - eps logsigmoid(-h). As logsigmoid(-h) = logsigmoid(h) - h, that is
 * -logsigmoid(h) + eps h.
 * @param margin of each preference, float32 [P]
 * @param labelSmoothing eps of each preference, float32 [P]
 */
export function logisticLoss(g: Graph, margin: Tensor, labelSmoothing?: Tensor): Tensor {
  const loss = ops.softplus(g, ops.neg(g, margin));
  return labelSmoothing ? ops.add(g, loss, ops.mul(g, labelSmoothing, margin)) : loss;
}
