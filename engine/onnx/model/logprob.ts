/** Log-probabilities of given tokens, without keeping the logits of a whole batch. */
import * as ops from '../graph/ops.ts';
import { product } from '../graph/shape.ts';
import type { Contribution, Graph, Tensor } from '../graph/tensor.ts';

/** What tokenLogps() computes from. */
interface Inputs {
  hidden: Tensor;
  head: Tensor;
  rows: Tensor;
  targets: Tensor;
  /** The number of chunks, K, int64 []. */
  chunks: Tensor;
}

/** For each of the T = K*C tokens: the coefficient of its log-probability in the loss, [T, 1], and its hidden state's row, [T]. */
interface Flat {
  coefficients: Tensor;
  rows: Tensor;
}

/**
 * log softmax(head hidden[row])[target] for K chunks of C tokens. Only one chunk's logits exist at a time.
 *
 * Its derivative with respect to a hidden state is head[target] - softmax^T head: no coefficient of the loss is in it. So it is
 * computed in the forward pass, while the chunk's probabilities exist, and scaled in the backward pass.
 *
 * @param hidden [N, D]
 * @param head the output layer's weight, [V, D]
 * @param rows which hidden state predicts the token, int64 [K, C]
 * @param targets the tokens, int64 [K, C]
 * @param differentiable whether gradient() will go through it
 * @returns in nats, float32 [K*C]
 */
export function tokenLogps(
  g: Graph,
  hidden: Tensor,
  head: Tensor,
  rows: Tensor,
  targets: Tensor,
  differentiable: boolean,
): Tensor {
  const [K] = rows.shape;
  const T = product(rows.shape);
  const inputs = { hidden, head, rows, targets, chunks: ops.reshape(g, ops.sizeOf(g, K), []) };
  const build = () => forward(g, inputs, differentiable);
  return g.composite('TokenLogps', [hidden, head], build, (g, { outputs: [, derivatives] }, [dy]) => {
    const flat = { coefficients: ops.reshape(g, dy!, [T, 1]), rows: ops.reshape(g, rows, [T]) };
    return [hiddenContribution(g, inputs, flat, derivatives), headContribution(g, inputs, flat, dy!)];
  })[0];
}

/** @returns the log-probabilities [T] and, if differentiable, their derivatives with respect to the hidden states, [T, D] */
function forward(g: Graph, { hidden, head, rows, targets, chunks }: Inputs, differentiable: boolean): Tensor[] {
  const T = product(rows.shape);
  const { scan } = ops.loop(g, chunks, [], [], rows.shape[0], (b, chunk) => {
    const target = ops.gather(b, targets, chunk);
    const logits = logitsOf(b, hidden, head, ops.gather(b, rows, chunk));
    const probabilities = ops.softmax(b, logits);
    // log p[target] = logit[target] - log sum exp(logits). The likeliest token gives the sum: its probability is never tiny.
    const logSum = ops.sub(b, ops.reduceMax(b, logits, -1), ops.log(b, ops.reduceMax(b, probabilities, -1)));
    const picked = ops.sub(b, ops.gatherColumns(b, logits, ops.unsqueeze(b, target, 1)), logSum);
    if (!differentiable) return { state: [], scan: [picked] };
    const expected = ops.gemm(b, probabilities, head);
    return { state: [], scan: [picked, ops.sub(b, ops.gather(b, head, target), expected)] };
  });
  const [logps, derivatives] = scan;
  const flat = ops.reshape(g, logps, [T]);
  return derivatives ? [flat, ops.reshape(g, derivatives, [T, hidden.shape[1]])] : [flat];
}

/** To the hidden states: each token's derivative times its coefficient, added to the row that predicts it. */
function hiddenContribution(g: Graph, { hidden }: Inputs, flat: Flat, derivatives: Tensor): Contribution {
  return {
    addedTo(sum) {
      const scaled = ops.mul(g, derivatives, flat.coefficients);
      return ops.scatterAddRows(g, sum ?? ops.zeros(g, hidden.shape), flat.rows, scaled);
    },
  };
}

/**
 * To the output layer: the sum over the tokens of coefficient (onehot(target) - softmax) hidden^T. The softmax is computed again.
 * @param dy [T]
 */
function headContribution(g: Graph, inputs: Inputs, flat: Flat, dy: Tensor): Contribution {
  const { hidden, head, rows, targets, chunks } = inputs;
  return {
    addedTo(sum) {
      const scaled = ops.mul(g, ops.gather(g, hidden, flat.rows), flat.coefficients);
      const flatTargets = ops.reshape(g, targets, [product(targets.shape)]);
      const picked = ops.scatterAddRows(g, sum ?? ops.zeros(g, head.shape), flatTargets, scaled);
      const negated = ops.neg(g, ops.reshape(g, dy, rows.shape));
      const { state } = ops.loop(g, chunks, [picked], [head.shape], rows.shape[0], (b, chunk, [total]) => {
        const row = ops.gather(b, rows, chunk);
        const probabilities = ops.softmax(b, logitsOf(b, hidden, head, row));
        const weighted = ops.mul(b, probabilities, ops.unsqueeze(b, ops.gather(b, negated, chunk), 1));
        return { state: [ops.gemm(b, weighted, ops.gather(b, hidden, row), { transA: true, c: total })], scan: [] };
      });
      return state[0];
    },
  };
}

/** hidden[rows] head^T: [C] to [C, V]. */
const logitsOf = (b: Graph, hidden: Tensor, head: Tensor, rows: Tensor) =>
  ops.gemm(b, ops.gather(b, hidden, rows), head, { transB: true });

/**
 * Sums tokens' log-probabilities by the sequence they belong to.
 * @param logps float32 [T]
 * @param owners the index of each token's sequence, int64 [K, C] with K*C = T; -1 for padding
 * @param sequences any tensor of shape [N], for the number of sequences
 * @returns float32 [N]
 */
export function sumBySequence(g: Graph, logps: Tensor, owners: Tensor, sequences: Tensor): Tensor {
  const [N] = sequences.shape;
  const T = product(owners.shape);
  const isMember = ops.equal(g, ops.reshape(g, ops.range(g, N), [N, 1]), ops.reshape(g, owners, [1, T]));
  const sums = ops.matmul(g, ops.cast(g, isMember, 'float32'), ops.reshape(g, logps, [T, 1]));
  return ops.reshape(g, sums, [N]);
}
