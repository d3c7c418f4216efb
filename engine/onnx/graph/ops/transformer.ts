/** Operators of transformers: normalization and rotary position embedding. */
import { format } from '../shape.ts';
import { MICROSOFT, type Graph, type Tensor, type Vjp } from '../tensor.ts';
import { mul, neg, sub } from './elementwise.ts';
import { check, one, sameType, vjpOf } from './emit.ts';
import { reduceMean } from './reductions.ts';

// y = w x r, r = 1 / sqrt(mean(x^2) + eps):  dx = r u - x r^3 mean(u x), u = dy w;  dw = sum(dy x r).
const rmsNormVjp: Vjp = (g, { inputs, outputs: [, r] }, [dy]) => {
  const [x, weight] = inputs as Tensor[];
  return [
    () => {
      const u = mul(g, dy!, weight);
      const mean = reduceMean(g, mul(g, u, x), -1);
      const cubed = mul(g, r, mul(g, r, mul(g, r, mean)));
      return sub(g, mul(g, u, r), mul(g, x, cubed));
    },
    () => mul(g, dy!, mul(g, x, r)),
  ];
};

/**
 * Root-mean-square normalization over the last axis (arXiv 1910.07467, equation 4): weight x / sqrt(mean(x^2) + epsilon).
 * @param x [..., D]
 * @param weight [D]
 * @returns y [..., D], and 1 / sqrt(mean(x^2) + epsilon), float32 [..., 1], which the backward pass needs
 */
export function rmsNorm(g: Graph, x: Tensor, weight: Tensor, epsilon: number): [y: Tensor, inverse: Tensor] {
  checkWeight('RMSNorm', weight, x);
  const outputs = [
    { type: sameType('RMSNorm', x, weight), shape: x.shape },
    { type: 'float32' as const, shape: [...x.shape.slice(0, -1), 1] },
  ];
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return g.emit(RMS_NORM, [x, weight], outputs, { attributes, vjp: rmsNormVjp }) as [Tensor, Tensor];
}

/** What ONNX Runtime calls it. */
export const RMS_NORM = 'SimplifiedLayerNormalization';

/**
 * Layer normalization over the last axis (arXiv 1607.06450): weight (x - mean) / sqrt(variance + epsilon) + bias.
 * @param x [..., D]
 * @param weight,bias [D]
 */
export function layerNorm(g: Graph, x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor {
  for (const vector of [weight, bias]) checkWeight('LayerNorm', vector, x);
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return one(g, 'LayerNormalization', [x, weight, bias], x.shape, { attributes });
}

function checkWeight(operator: string, { shape }: Tensor, x: Tensor): void {
  check(shape.length === 1 && shape[0] === x.shape.at(-1), operator, `${format(shape)} for ${format(x.shape)}`);
}

// The transpose of a rotation is the rotation by the negative angle.
const rotaryVjp = vjpOf((g, dy, { inputs: [, rows, cosTable, sinTable] }) => [
  () => rotary(g, dy, rows!, cosTable!, neg(g, sinTable!)),
]);

/**
 * Rotary position embedding (arXiv 2104.09864, equation 34) in Hugging Face's layout: element i is paired with i + d / 2.
 * @param x [G, H, S, d]
 * @param rows the row of the tables for each token, int64 [G, S]
 * @param cosTable,sinTable cosines and sines of the angles, [rows, d / 2]
 */
export function rotary(g: Graph, x: Tensor, rows: Tensor, cosTable: Tensor, sinTable: Tensor): Tensor {
  const fits = x.shape.length === 4 && rows.shape[0] === x.shape[0] && rows.shape[1] === x.shape[2];
  check(fits, 'Rotary', `${format(rows.shape)} for ${format(x.shape)}`);
  const type = sameType('Rotary', x, cosTable, sinTable);
  const options = { type, attributes: { interleaved: 0 }, domain: MICROSOFT, vjp: rotaryVjp };
  return one(g, 'RotaryEmbedding', [x, rows, cosTable, sinTable], x.shape, options);
}
