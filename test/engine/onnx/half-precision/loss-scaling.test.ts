/** Why gradients in float16 are scaled, and that the scaling is enough. */
import { describe, expect, test } from 'vitest';
import { gradient } from '../../../../engine/onnx/graph/gradient.ts';
import * as ops from '../../../../engine/onnx/graph/ops.ts';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import { packGroups } from '../../../../engine/onnx/packing.ts';
import { adapterFeeds, adapterParameters, policyParameters } from '../../../../engine/onnx/policy.ts';
import { sequenceLogps } from '../../../../engine/onnx/sequences.ts';
import { float32 } from '../../../../engine/onnx/session.ts';
import { scaledGradient } from '../../../../engine/onnx/training/loss-scaling.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { referenceCase } from '../../reference-case.ts';
import { halfPolicy, type HalfType } from './graphs.ts';
import { cosine } from './numbers.ts';
import { computeByOnnx } from './onnx.ts';

const scratch = temporaryFolder();
const { pairs } = referenceCase('llama');

/**
 * The least cosine, over the LoRA matrices, between the gradient of `slope` times the sum of all log-probabilities and that of the sum
 * itself in ONNX's evaluator, each node rounded.
 */
async function agreement(type: HalfType, slope: number, scaled: boolean): Promise<number> {
  const { model, adapter } = halfPolicy('llama', type);
  const gradients = async (factor: number, scale: boolean) => {
    const g = new Graph();
    const parameters = adapterParameters(adapter!);
    const inputs = new Map(parameters.map(({ name, shape }) => [name, g.input(name, 'float32', shape)]));
    const sequences = g.input('sequences', 'float32', ['N']);
    const logps = sequenceLogps(g, model.config, policyParameters(g, model, adapter, inputs), sequences, {
      recompute: false,
    });
    const loss = ops.mul(g, ops.reduceSum(g, logps, 0, false), g.scalar(factor));
    const wrt = [...inputs.values()];
    const onto = new Map(wrt.map((parameter) => [parameter, ops.zeros(g, parameter.shape)]));
    const sums = scale ? scaledGradient(g, loss, logps, wrt, onto) : gradient(g, loss, wrt);
    for (const [i, sum] of sums.entries()) g.output(wrt[i].name, sum);
    const groups = pairs.map(({ prompt, chosen, rejected }) => ({ prompt, responses: [chosen, rejected] }));
    const feeds = { ...packGroups(groups, model.config.vocabSize).feeds, sequences: float32(new Float32Array(6), [6]) };
    return computeByOnnx(scratch, { graph: g, dataFolder: model.dataFolder }, { ...feeds, ...adapterFeeds(adapter) });
  };
  const [whole, small] = [await gradients(1, false), await gradients(slope, scaled)];
  return Math.min(...[...whole].map(([name, wanted]) => cosine(wanted, small.get(name)!)));
}

/** What the paper's settings give a response: beta times the batch's share, halved where the policy does not yet tell the two apart. */
const SLOPE = (0.01 * 0.5) / 128;

describe('gradients of a loss with the slopes of SELM at beta 0.01 and batches of 128', () => {
  test('underflow in float16, and hardly lose precision when they are scaled', async () => {
    const [plain, scaled] = [await agreement('float16', SLOPE, false), await agreement('float16', SLOPE, true)];
    expect(scaled).toBeGreaterThan(0.99999);
    expect(1 - plain).toBeGreaterThan(20 * (1 - scaled));
    expect(await agreement('float16', SLOPE / 100, false)).toBeLessThan(0.9);
    expect(await agreement('float16', SLOPE / 100, true)).toBeGreaterThan(0.99999);
  });

  test('need no scaling in bfloat16, which has the range of float32', async () => {
    expect(await agreement('bfloat16', SLOPE / 100, false)).toBeGreaterThan(0.999);
  });
});
