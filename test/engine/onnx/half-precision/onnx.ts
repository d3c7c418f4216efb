/** ONNX's own checker and evaluator for tests: a small Python environment, made once in the cache (see evaluate.py). */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeGraph } from '../../../../engine/onnx/graph/encode.ts';
import { Graph } from '../../../../engine/onnx/graph/tensor.ts';
import type { Feeds } from '../../../../engine/onnx/session.ts';
import { cacheFolder } from '../../../../workers/places.ts';

const run = promisify(execFile);
const script = new URL('./evaluate.py', import.meta.url).pathname;

/** Its Python; made on the first call: seconds, 150 MB. */
async function onnxPython(): Promise<string> {
  const folder = join(cacheFolder(), 'onnx-1.23.2');
  const python = join(folder, 'bin', 'python');
  const ready = join(folder, 'ready');
  if (existsSync(ready)) return python;
  console.error("Making ONNX's Python environment, once: some seconds.");
  rmSync(folder, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', 'onnx==1.23.2', 'numpy==2.4.6', 'ml_dtypes==0.6.0']);
  writeFileSync(`${ready}.new`, '');
  renameSync(`${ready}.new`, ready);
  return python;
}

/** Every node of a graph, those in bodies of loops included. */
export const allNodes = (graph: Graph): Graph['nodes'] =>
  graph.nodes.flatMap((node) => [node, ...bodiesOf(node).flatMap(allNodes)]);

const bodiesOf = ({ attributes }: Graph['nodes'][number]) =>
  Object.values(attributes).filter((attribute) => attribute instanceof Graph);

/** A graph with the folder that its weights are in. */
export interface GraphOfModel {
  graph: Graph;
  dataFolder: string;
}

/**
 * Has ONNX check the graphs' files: among other things that every tensor is of the type and shape that the graph says.
 * @param scratch a folder for files on the way
 * @throws Error with ONNX's words when a graph is not right
 */
export async function checkByOnnx(scratch: string, graphs: GraphOfModel[]): Promise<void> {
  const folders = graphs.map((graph) => writeGraph(scratch, graph, {}));
  await run(await onnxPython(), [script, ...folders], { maxBuffer: 2 ** 26 });
}

/** Has ONNX check a graph and compute it. @returns the outputs by name, as float32 */
export async function computeByOnnx(
  scratch: string,
  graph: GraphOfModel,
  feeds: Feeds,
): Promise<Map<string, Float32Array>> {
  const folder = writeGraph(scratch, graph, feeds);
  await run(await onnxPython(), [script, folder], { maxBuffer: 2 ** 26 });
  const results = JSON.parse(readFileSync(join(folder, 'outputs.json'), 'utf8')) as { data: string }[];
  const floats = results.map(({ data }) => new Float32Array(Uint8Array.from(Buffer.from(data, 'base64')).buffer));
  return new Map(graph.graph.outputs.map(({ name }, i) => [name, floats[i]]));
}

function writeGraph(scratch: string, { graph, dataFolder }: GraphOfModel, feeds: Feeds): string {
  const folder = mkdtempSync(join(scratch, 'graph-'));
  for (const file of readdirSync(dataFolder).filter((name) => name.endsWith('.safetensors'))) {
    copyFileSync(join(dataFolder, file), join(folder, file));
  }
  const tensors = allNodes(graph).flatMap(({ outputs }) => outputs);
  const types = tensors.map(({ name, type, shape }) => [name, [type, shape]]);
  const inputs = Object.entries(feeds).map(([name, { type, dims, data }]) => {
    const { buffer, byteOffset, byteLength } = data as Float32Array;
    return [name, { type, shape: dims, data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }];
  });
  writeFileSync(join(folder, 'graph.onnx'), encodeGraph(graph));
  writeFileSync(join(folder, 'types.json'), JSON.stringify(Object.fromEntries(types)));
  writeFileSync(join(folder, 'feeds.json'), JSON.stringify(Object.fromEntries(inputs)));
  return folder;
}
