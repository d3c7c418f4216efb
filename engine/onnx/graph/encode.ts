/** Writes a graph as an ONNX model file. */
import { encodeModel, type OnnxGraph } from '../format/format.ts';
import { Graph, MICROSOFT, type Node } from './tensor.ts';

/** The version of each operator domain that the graphs use. */
const OPSETS = { '': 18, [MICROSOFT]: 1 };

/** The bytes of the graph's model file. Nodes and constants that no output depends on are left out. */
export const encodeGraph = (graph: Graph): Uint8Array => encodeModel(toOnnx(graph), OPSETS);

function toOnnx(graph: Graph): OnnxGraph {
  const nodes = liveNodes(graph);
  const used = new Set(usedNames(graph));
  return {
    name: 'selm',
    nodes: nodes.map(({ opType, inputs, outputs, attributes, domain }) => ({
      opType,
      domain,
      inputs: inputs.map((input) => input?.name ?? ''),
      outputs: outputs.map((output) => output.name),
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, value instanceof Graph ? toOnnx(value) : value]),
      ),
    })),
    initializers: [...graph.initializers.values()].filter((initializer) => used.has(initializer.name)),
    inputs: graph.inputs.map(({ name, type, shape }) => ({ name, type, shape: [...shape] })),
    outputs: graph.outputs.map(({ tensor }) => ({ name: tensor.name, type: tensor.type })),
  };
}

/** The nodes that the outputs depend on, in order. */
function liveNodes(graph: Graph): Node[] {
  const needed = new Set(graph.outputs.map(({ tensor }) => tensor.name));
  const live = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output.name))) return false;
    for (const input of node.inputs) if (input) needed.add(input.name);
    for (const body of bodiesOf(node)) for (const name of usedNames(body)) needed.add(name);
    return true;
  });
  return live.toReversed();
}

/** Every tensor name that a graph mentions: for the body of a Loop, a superset of what it takes from the graphs around it. */
function usedNames(graph: Graph): string[] {
  const nodes = liveNodes(graph);
  return [
    ...nodes.flatMap(({ inputs }) => inputs.flatMap((input) => (input ? [input.name] : []))),
    ...graph.outputs.map(({ tensor }) => tensor.name),
    ...nodes.flatMap(bodiesOf).flatMap(usedNames),
  ];
}

const bodiesOf = ({ attributes }: Node): Graph[] =>
  Object.values(attributes).filter((attribute) => attribute instanceof Graph);
