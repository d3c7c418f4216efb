/** Graphs under construction: symbolic tensors with element types and shapes, and the nodes that make them. */
import type { Shape } from './shape.ts';
import {
  encodeModel,
  type ElementType,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxInitializer,
} from '../format/format.ts';

export interface Tensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
}

export interface Node {
  opType: string;
  inputs: (Tensor | undefined)[];
  outputs: Tensor[];
  attributes: Record<string, OnnxAttribute | Graph>;
  domain: string;
  /** How to differentiate a composite. */
  rule?: Rule;
}

/**
 * What flows into one input: builds its gradient, added onto `sum` where one is given. A product accumulates for free (the
 * C of Gemm), so the sum is handed in rather than added afterwards. Called only for inputs whose gradient is wanted.
 */
export type Contribution = (sum?: Tensor) => Tensor;

/**
 * From the gradients of a node's outputs (absent: no influence) to the contributions to its inputs (absent: none).
 * @param wanted which of the node's inputs a gradient is wanted of: only their contributions are called
 */
export type Rule = (
  g: Graph,
  node: Node,
  outputs: (Tensor | undefined)[],
  wanted: Tensor[],
) => (Contribution | undefined)[];

export const MICROSOFT = 'com.microsoft';
const OPSETS = { '': 18, [MICROSOFT]: 1 };

export type TypedData = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

/** Constants of at most so many bytes are compared with each other. */
const COMPARED = 16 * 1024;

/** Bytes of a constant that stay in their file. `location` is relative to the folder the session is opened with. */
export interface ExternalData {
  location: string;
  offset: number;
  length: number;
}

/**
 * An ONNX graph being built. Operators (ops.ts) append nodes in execution order. A graph with a parent is the body of a
 * Loop: it may use the parent's tensors, and its constants live there, so that they are made once.
 */
export class Graph {
  readonly nodes: Node[] = [];
  /** The nodes as gradient() sees them: operators, and composites in place of what they are made of. */
  readonly tape: Node[] = [];
  readonly inputs: Tensor[] = [];
  readonly outputs: { name: string; tensor: Tensor }[] = [];
  readonly parent: Graph | undefined;
  /** What held() was given, by the names of the inputs. */
  readonly heldData = new Map<string, { data: Float32Array; shape: number[] }>();
  private readonly initializers = new Map<string, OnnxInitializer>();
  private readonly constants = new Map<string, Tensor>();
  private readonly dims = new Map<string, Tensor>();
  private recording = true;
  private counter = 0;

  constructor(parent?: Graph) {
    this.parent = parent;
  }

  private get root(): Graph {
    return this.parent?.root ?? this;
  }

  /** A name that no other tensor of the file has. */
  freshName(stem: string): string {
    return `${stem}_${this.root.counter++}`;
  }

  input(name: string, type: ElementType, shape: Shape): Tensor {
    const tensor = { name, type, shape };
    this.inputs.push(tensor);
    return tensor;
  }

  /**
   * Makes a node's result an output of the graph. In the file it keeps the tensor's own name (a copy under another name
   * would cost a copy on every run); the session maps it to `name`.
   */
  output(name: string, tensor: Tensor): void {
    this.outputs.push({ name, tensor });
  }

  /** A constant small enough to lie in the graph itself. Equal ones are stored once, where they are not large. */
  constant(type: ElementType, shape: number[], data: TypedData): Tensor {
    const root = this.root;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key =
      bytes.length <= COMPARED ? `${type}[${shape}]${Buffer.from(bytes).toString('latin1')}` : root.freshName('key');
    const known = root.constants.get(key);
    if (known) return known;
    const tensor = { name: root.freshName('constant'), type, shape };
    root.initializers.set(tensor.name, { name: tensor.name, type, shape, data: bytes });
    root.constants.set(key, tensor);
    return tensor;
  }

  /** A constant whose bytes stay in a file, as a model's weights do. */
  external(name: string, type: ElementType, shape: number[], data: ExternalData): Tensor {
    this.root.initializers.set(name, { name, type, shape, data });
    return { name, type, shape };
  }

  /**
   * A tensor whose numbers lie in this process's memory, where they may serve other graphs, too: an input that a session of the
   * graph feeds by itself.
   */
  held(name: string, shape: number[], data: Float32Array): Tensor {
    this.root.heldData.set(name, { data, shape });
    return this.root.input(name, 'float32', shape);
  }

  floats(values: number[], shape: number[] = [values.length]): Tensor {
    return this.constant('float32', shape, Float32Array.from(values));
  }

  scalar(value: number): Tensor {
    return this.floats([value], []);
  }

  ints(values: number[], shape: number[] = [values.length]): Tensor {
    return this.constant('int64', shape, BigInt64Array.from(values, BigInt));
  }

  /** Appends a node. Operators check types and shapes first; nothing is checked here. */
  emit(
    opType: string,
    inputs: (Tensor | undefined)[],
    outputs: { type: ElementType; shape: Shape }[],
    attributes: Record<string, OnnxAttribute | Graph> = {},
    domain = '',
  ): Tensor[] {
    const made = outputs.map(({ type, shape }) => ({ name: this.freshName(opType), type, shape }));
    const node = { opType, inputs, outputs: made, attributes, domain };
    this.nodes.push(node);
    if (this.recording) this.tape.push(node);
    return made;
  }

  /** Builds outputs from several operators that gradient() is to see as one, differentiated by `rule`. */
  composite(opType: string, inputs: Tensor[], build: () => Tensor[], rule: Rule): Tensor[] {
    const outer = this.recording;
    this.recording = false;
    const outputs = build();
    this.recording = outer;
    if (outer) this.tape.push({ opType, inputs, outputs, attributes: {}, domain: '', rule });
    return outputs;
  }

  /** Names a size that is computed, int64 [1]: that of a slice, say. */
  defineDim(name: string, size: Tensor): void {
    this.dims.set(name, size);
  }

  /** The run-time size of a named dimension, int64 [1]: a defined one, or read off a graph input that has it. */
  dim(name: string): Tensor {
    const known = this.dims.get(name);
    if (known) return known;
    for (const tensor of this.inputs) {
      const axis = tensor.shape.indexOf(name);
      if (axis < 0) continue;
      const [size] = this.emit('Shape', [tensor], [{ type: 'int64', shape: [1] }], { start: axis, end: axis + 1 });
      this.dims.set(name, size);
      return size;
    }
    if (this.parent) return this.parent.dim(name);
    throw new Error(`no input of the graph has a dimension named ${name}`);
  }

  /** The nodes the outputs depend on, in order; the others would be computed for nothing. */
  private liveNodes(): Node[] {
    const needed = new Set(this.outputs.map(({ tensor }) => tensor.name));
    const live = this.nodes.toReversed().filter((node) => {
      if (!node.outputs.some((output) => needed.has(output.name))) return false;
      for (const input of node.inputs) if (input) needed.add(input.name);
      for (const body of Object.values(node.attributes))
        if (body instanceof Graph) for (const name of body.outerNames()) needed.add(name);
      return true;
    });
    return live.toReversed();
  }

  /** Every name the body mentions: a superset of what it takes from the graphs around it. */
  private outerNames(): string[] {
    const nodes = this.liveNodes();
    const nested = nodes.flatMap((node) => Object.values(node.attributes).filter((a) => a instanceof Graph));
    const inputs = nodes.flatMap((node) => node.inputs.flatMap((input) => (input ? [input.name] : [])));
    return [
      ...inputs,
      ...this.outputs.map(({ tensor }) => tensor.name),
      ...nested.flatMap((body) => body.outerNames()),
    ];
  }

  private toOnnx(): OnnxGraph {
    const nodes = this.liveNodes();
    const used = new Set(this.outerNames());
    return {
      name: 'selm',
      nodes: nodes.map(({ opType, inputs, outputs, attributes, domain }) => ({
        opType,
        domain,
        inputs: inputs.map((input) => input?.name ?? ''),
        outputs: outputs.map((output) => output.name),
        attributes: Object.fromEntries(
          Object.entries(attributes).map(([key, value]) => [key, value instanceof Graph ? value.toOnnx() : value]),
        ),
      })),
      initializers: [...this.initializers.values()].filter((initializer) => used.has(initializer.name)),
      inputs: this.inputs.map(({ name, type, shape }) => ({ name, type, shape: [...shape] })),
      outputs: this.outputs.map(({ tensor }) => ({ name: tensor.name, type: tensor.type })),
    };
  }

  /** The model file's bytes. */
  encode(): Uint8Array {
    return encodeModel(this.toOnnx(), OPSETS);
  }
}
