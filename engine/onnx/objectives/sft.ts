import * as ops from '../graph/ops.ts';
import type { Graph, Tensor } from '../graph/tensor.ts';
import type { Responses } from './objective.ts';

/**
 * -log pi(chosen | x) / |chosen|, which `sftWeight` adds to an objective: the term of RPO (arXiv 2404.19733, equation 2, its alpha is
 * `sftWeight`) and the generation loss of MPO (arXiv 2411.10442). As in both papers it is averaged over the tokens of each response,
 * then over the preferences of a batch. TRL (loss `sft`, formerly `rpo_alpha`) averages over all tokens of a batch at once, which is
 * the same if its chosen responses have equal lengths.
 * @returns float32 [P], in nats per token
 */
export const sftLoss = (g: Graph, { logp, tokens }: Responses): Tensor => ops.neg(g, ops.div(g, logp, tokens));
