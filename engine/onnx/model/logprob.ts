/** Log-probabilities of given tokens, without keeping the logits of a whole batch. */
import * as ops from '../graph/ops.ts';
import { product, type Shape } from '../graph/shape.ts';
import type { Graph, Tensor, Rule } from '../graph/tensor.ts';

/**
 * log softmax(head hidden[row])[target] for K chunks of C tokens. Only one chunk's logits exist at a time.
 *
 * The derivative with respect to a hidden state is head[target] - softmax^T head: it needs no coefficient of the loss, so it
 * is taken in the forward pass while the chunk's probabilities are at hand, and scaled in the backward pass.
 *
 * @param hidden [N, D]
 * @param head [V, D]
 * @param rows which hidden state predicts the token, int64 [K, C]
 * @param targets the tokens, int64 [K, C]
 * @param differentiable whether gradient() will go through it
 * @returns float32 [K*C]
 */
export function tokenLogps(
  g: Graph,
  hidden: Tensor,
  head: Tensor,
  rows: Tensor,
  targets: Tensor,
  differentiable: boolean,
): Tensor {
  const [K, C] = rows.shape;
  const D = hidden.shape[1];
  const count = product([K, C]);
  const trips = ops.reshape(g, ops.sizeOf(g, K), []);

  const build = () => {
    const { scan } = ops.loop(g, trips, [], [], K, (b, chunk) => {
      const target = ops.gather(b, targets, chunk);
      const logits = logitsOf(b, hidden, head, ops.gather(b, rows, chunk));
      const probabilities = ops.softmax(b, logits);
      // log p[target] = logit[target] - log sum exp(logits), and the likeliest token tells the sum: its p is never tiny.
      const total = ops.sub(b, ops.reduceMax(b, logits, -1), ops.log(b, ops.reduceMax(b, probabilities, -1)));
      const picked = ops.sub(b, ops.gatherColumns(b, logits, ops.unsqueeze(b, target, 1)), total);
      if (!differentiable) return { state: [], scan: [picked] };
      const expected = ops.gemm(b, ops.cast(b, probabilities, head.type), head);
      return { state: [], scan: [picked, ops.sub(b, ops.gather(b, head, target), expected)] };
    });
    const [logps, slopes] = scan;
    const flat = ops.reshape(g, logps, [count]);
    return slopes ? [flat, ops.reshape(g, slopes, [count, D])] : [flat];
  };

  const rule: Rule = (_, node, [dy]) => {
    const coefficients = ops.reshape(g, dy!, [count, 1]);
    const flatRows = ops.reshape(g, rows, [count]);
    const start = (sum: Tensor | undefined, shape: Shape) => (sum ? ops.wide(g, sum) : ops.zeros(g, shape));
    const hiddenGradient = (sum?: Tensor) => {
      const scaled = ops.mul(g, ops.wide(g, node.outputs[1]), coefficients);
      return ops.cast(g, ops.scatterAddRows(g, start(sum, hidden.shape), flatRows, scaled), hidden.type);
    };
    // d/d head = sum over tokens of coefficient (onehot(target) - softmax) hidden^T; the softmax is computed again.
    const headGradient = (sum?: Tensor) => {
      const scaled = ops.mul(g, ops.wide(g, ops.gather(g, hidden, flatRows)), coefficients);
      const flatTargets = ops.reshape(g, targets, [count]);
      const picked = ops.scatterAddRows(g, start(sum, head.shape), flatTargets, scaled);
      const negated = ops.neg(g, ops.reshape(g, dy!, [K, C]));
      const { state } = ops.loop(g, trips, [picked], [head.shape], K, (b, chunk, [total]) => {
        const row = ops.gather(b, rows, chunk);
        const probabilities = ops.softmax(b, logitsOf(b, hidden, head, row));
        const weighted = ops.mul(b, probabilities, ops.unsqueeze(b, ops.gather(b, negated, chunk), 1));
        const next = addProduct(b, total, ops.cast(b, weighted, hidden.type), ops.gather(b, hidden, row));
        return { state: [next], scan: [] };
      });
      return ops.cast(g, state[0], head.type);
    };
    return [hiddenGradient, headGradient];
  };

  return g.composite('TokenLogps', [hidden, head], build, rule)[0];
}

const logitsOf = (b: Graph, hidden: Tensor, head: Tensor, rows: Tensor) =>
  ops.wide(b, ops.gemm(b, ops.gather(b, hidden, rows), head, { transB: true }));

/** total + x^T y. Only factors of the total's type are added to it by the product itself. */
function addProduct(b: Graph, total: Tensor, x: Tensor, y: Tensor): Tensor {
  if (x.type === total.type) return ops.gemm(b, x, y, { transA: true, c: total });
  return ops.add(b, total, ops.cast(b, ops.gemm(b, x, y, { transA: true }), total.type));
}

/**
 * Sums tokens' log-probabilities by the sequence they belong to.
 * @param logps [T]
 * @param owners the sequence of each token, int64 [K, C]; -1 for none
 * @param sequences a tensor with one entry a sequence, [N]
 * @returns [N]
 */
export function sumBySequence(g: Graph, logps: Tensor, owners: Tensor, sequences: Tensor): Tensor {
  const [N] = sequences.shape;
  const T = product(owners.shape);
  const member = ops.equal(g, ops.reshape(g, ops.range(g, N), [N, 1]), ops.reshape(g, owners, [1, T]));
  const sums = ops.matmul(g, ops.cast(g, member, 'float32'), ops.reshape(g, logps, [T, 1]));
  return ops.reshape(g, sums, [N]);
}
