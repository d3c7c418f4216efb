/** Running graphs: one ONNX Runtime session per graph, tensors in and out by name. */
import { encodeGraph } from './graph/encode.ts';
import type { Graph } from './graph/tensor.ts';
import ort from '../onnxruntime.ts';

/** Tensors by name. */
export type Feeds = Record<string, ort.Tensor>;

/** A float32 tensor, without a copy of the data. */
export const float32 = (data: Float32Array, shape: readonly number[]) => new ort.Tensor('float32', data, shape);
/** An int64 tensor. */
export const int64 = (data: BigInt64Array | number[], shape: readonly number[]) =>
  new ort.Tensor('int64', data instanceof BigInt64Array ? data : BigInt64Array.from(data, BigInt), shape);
/** A float32 tensor without dimensions. */
export const scalar = (value: number) => float32(Float32Array.of(value), []);

/** How a session is opened. */
export interface SessionOptions {
  /** The folder of the graph's external data. */
  folder?: string;
  /**
   * Whether to copy weights into the layout that the matrix kernels prefer, which is faster for products with few rows (decoding).
   * Without it, weights stay pages of their file, which all sessions and processes share.
   */
  prepack?: boolean;
  threads: number;
}

/** A graph, ready to run. */
export class Session {
  private readonly inner: ort.InferenceSession;
  private readonly graph: Graph;
  private readonly held: Feeds;

  private constructor(inner: ort.InferenceSession, graph: Graph) {
    this.inner = inner;
    this.graph = graph;
    this.held = Object.fromEntries([...graph.heldData].map(([name, { data, shape }]) => [name, float32(data, shape)]));
  }

  static async open(graph: Graph, { folder, prepack = false, threads }: SessionOptions): Promise<Session> {
    const session: Record<string, string> = { disable_prepacking: prepack ? '0' : '1' };
    if (folder) session['model_external_initializers_file_folder_path'] = folder;
    const inner = await ort.InferenceSession.create(encodeGraph(graph), {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Shapes differ from run to run: patterns of earlier runs would only take memory.
      enableMemPattern: false,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: { session },
    });
    return new Session(inner, graph);
  }

  /**
   * Runs the graph.
   * @param feeds the inputs, by name
   * @param into tensors that outputs are written to, by name. Such a tensor may also be an input of the same run: outputs are copied
   *   when the run is over.
   * @returns the outputs, by name
   */
  async run(feeds: Feeds, into: Feeds = {}): Promise<Feeds> {
    const fetches = Object.fromEntries(
      this.graph.outputs.map(({ name, tensor }) => [tensor.name, into[name] ?? null]),
    ) as ort.InferenceSession.FetchesType;
    const results = await this.inner.run({ ...this.held, ...feeds }, fetches);
    return Object.fromEntries(this.graph.outputs.map(({ name, tensor }) => [name, results[tensor.name]]));
  }

  async close(): Promise<void> {
    await this.inner.release();
  }
}
