/** The types of the graphs' tensors are those that ONNX's checker and ONNX Runtime infer. */
import { describe, expect, test } from 'vitest';
import { Session } from '../../../../engine/onnx/session.ts';
import * as ops from '../../../../engine/onnx/graph/ops.ts';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { cudaGraphs, HALF_TYPES } from './graphs.ts';
import { allNodes, checkByOnnx } from './onnx.ts';

const scratch = temporaryFolder();
// Untied and plain; tied with biases; with normalized queries and keys.
const MODELS = ['llama', 'qwen2', 'qwen3'];

describe.each(HALF_TYPES)('%s', (type) => {
  const graphs = MODELS.flatMap((name) =>
    [...cudaGraphs(name, type)].map(([use, graph]) => ({ name: `${name}: ${use}`, ...graph })),
  );

  test("ONNX's checker finds every tensor to be of the type and shape that the graph says", async () => {
    await checkByOnnx(scratch, graphs);
  });

  test.each(graphs)(
    '$name: products are computed in half precision, and nothing that adds up or exponentiates',
    ({ graph }) => {
      const typesOf = (...operators: string[]) =>
        new Set(
          allNodes(graph)
            .filter(({ opType }) => operators.includes(opType))
            .map(({ outputs: [y] }) => y.type),
        );
      expect(typesOf('Gemm')).toEqual(new Set([type]));
      const inFloat32 = [
        'Softmax',
        'LogSoftmax',
        'Exp',
        'Softplus',
        'ReduceSum',
        'ReduceMean',
        'CumSum',
        'ScatterElements',
        'Sin',
        'Cos',
      ];
      for (const found of typesOf(...inFloat32)) expect(found).toBe('float32');
    },
  );
});

test.each([...cudaGraphs('qwen3', 'float16')])(
  'ONNX Runtime loads the graph for %s',
  async (_, { graph, dataFolder }) => {
    const session = await Session.open(graph, { folder: dataFolder, threads: 1 });
    await session.close();
  },
);

test('the checker refuses a graph that declares another type than ONNX infers', async () => {
  const g = new Graph();
  const x = g.input('x', 'float16', [2]);
  const wrong = { ...ops.neg(g, x), type: 'float32' as const };
  Object.assign(g.nodes[0].outputs[0], { type: 'float32' });
  g.output('y', ops.neg(g, wrong));
  await expect(checkByOnnx(scratch, [{ graph: g, dataFolder: scratch }])).rejects.toThrow('elem type');
});
