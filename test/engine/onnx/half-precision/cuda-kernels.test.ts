/** Every operator of the graphs has a CUDA kernel for its types: none falls back to the CPU. */
import { describe, expect, test } from 'vitest';
import * as ops from '../../../../engine/onnx/graph/ops.ts';
import { Graph, type Node } from '../../../../engine/onnx/graph/tensor.ts';
import { fixture, readJson } from '../../reference-case.ts';
import { cudaGraphs, HALF_TYPES } from './graphs.ts';
import { allNodes } from './onnx.ts';

/** A row of ONNX Runtime's table of kernels: types by letter, and the letters of inputs and outputs; the last repeats where it has dots. */
interface Kernel {
  versions: string;
  inputs: string[];
  outputs: string[];
  types: Record<string, string>;
}
const table = readJson<Record<'ai.onnx' | 'com.microsoft', Record<string, Kernel>>>(
  fixture('cuda-kernels/kernels.json'),
);

const VERSIONS = { 'ai.onnx': 18, 'com.microsoft': 1 };
/** The table's names of types that ONNX calls otherwise. */
const named = (type: string) => (type === 'float32' ? 'float' : type);

const letterAt = (letters: string[], i: number) =>
  (letters[i] ?? (letters.at(-1)!.endsWith('...') ? letters.at(-1)! : undefined))?.replace('...', '');

/** Describes what CUDA has no kernel for; undefined if it has one. */
function missing({ opType, domain, inputs, outputs }: Node): string[] {
  const set = domain === '' ? 'ai.onnx' : (domain as 'com.microsoft');
  const kernel = table[set][opType];
  if (!kernel) return [`${opType}: no kernel`];
  const [, first, last] = /^(\d+)(?:\+|-(\d+))$/.exec(kernel.versions)!;
  if (VERSIONS[set] < Number(first) || VERSIONS[set] > Number(last ?? Infinity))
    return [`${opType}: not in opset ${VERSIONS[set]}`];
  const bound = new Map<string, string>();
  const problems = (tensors: Node['inputs'], letters: string[]) =>
    tensors.flatMap((tensor, i) => {
      if (!tensor) return [];
      const letter = letterAt(letters, i);
      const type = named(tensor.type);
      if (letter === undefined) return [`${opType}: more inputs or outputs than ${letters.length}`];
      if (!kernel.types[letter].split(' ').includes(type)) return [`${opType}: no ${type}`];
      // A loop's carried tensors may have several types.
      if (opType !== 'Loop' && bound.has(letter) && bound.get(letter) !== type)
        return [`${opType}: ${letter} is ${bound.get(letter)} and ${type}`];
      bound.set(letter, type);
      return [];
    });
  return [...problems(inputs, kernel.inputs), ...problems(outputs, kernel.outputs)];
}

describe.each(HALF_TYPES)('%s', (type) => {
  test.each(['llama', 'qwen2', 'qwen3'])('every node of all graphs of %s', (name) => {
    for (const [use, { graph }] of cudaGraphs(name, type)) {
      const nodes = allNodes(graph);
      expect(nodes.some(({ outputs }) => outputs[0].type === type)).toBe(true);
      expect(nodes.flatMap(missing), use).toEqual([]);
    }
  });
});

test('an operator without a kernel is found', () => {
  const g = new Graph();
  const x = g.input('x', 'bfloat16', [2, 2]);
  ops.sin(g, x);
  ops.reduceMean(g, x, -1);
  ops.argmax(g, g.input('i', 'int64', [2, 2]));
  ops.gelu(g, x);
  expect(g.nodes.flatMap(missing)).toEqual([
    'Sin: no bfloat16',
    'Sin: no bfloat16',
    'ReduceMean: no bfloat16',
    'ReduceMean: no bfloat16',
    'ArgMax: no int64',
    'Gelu: no kernel',
  ]);
});
