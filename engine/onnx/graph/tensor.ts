/** Graphs under construction: symbolic tensors with element types and shapes, and the nodes that compute them. */
import type { ElementType, OnnxAttribute, OnnxInitializer } from '../format/format.ts';
import { sum, type Shape } from './shape.ts';

/** The result of a node, or an input or a constant of a graph: a name, no numbers. */
export interface Tensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
}

/** One operator applied to tensors. */
export interface Node {
  opType: string;
  inputs: (Tensor | undefined)[];
  outputs: Tensor[];
  attributes: Record<string, OnnxAttribute | Graph>;
  domain: string;
  /** How gradient() differentiates the node; without it the node cannot be differentiated. */
  vjp?: Vjp;
}

/**
 * How the cotangent of one input is built. A function builds it by itself: it may have the shape that the input was broadcast to
 * and another float type, which gradient() undoes, and gradient() adds the cotangents of several nodes. `addedTo` adds it onto
 * `sum`, what other nodes contributed (absent: nothing), and returns the input's shape and type: for operators that add at no
 * cost, such as Gemm with its C. Either is called only where the cotangent is wanted, and once.
 */
export type Contribution = (() => Tensor) | { addedTo: (sum?: Tensor) => Tensor };

/**
 * The vector-Jacobian product of a node: from the cotangents of its outputs (the gradients of the loss with respect to them) to
 * those of its inputs. Operators declare theirs beside their forward definition, in ops/.
 * @param g the graph that the backward pass is appended to
 * @param cotangents one per output of the node, undefined where the loss does not depend on it; at least one is defined
 * @param wanted the inputs of the node whose cotangents are used
 * @returns one contribution per input, undefined where there is none (integer inputs)
 */
export type Vjp = (
  g: Graph,
  node: Node,
  cotangents: (Tensor | undefined)[],
  wanted: Tensor[],
) => (Contribution | undefined)[];

/** What emit() needs of a node besides its inputs and outputs. */
export type NodeOptions = Partial<Pick<Node, 'attributes' | 'domain' | 'vjp'>>;

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = 'com.microsoft';

/** The numbers of a constant. */
export type TypedData = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

/** Constants of up to this many bytes are compared with each other and stored once. */
const COMPARED_BYTES = 16 * 1024;

/** Bytes of a constant that stay in their file. `location` is relative to the folder the session is opened with. */
export interface ExternalData {
  location: string;
  offset: number;
  length: number;
}

/**
 * An ONNX graph being built. Operators (ops.ts) append nodes in execution order. A graph with a parent is the body of a
 * Loop: it may use the parent's tensors, and its constants are stored there, once for all bodies.
 */
export class Graph {
  readonly nodes: Node[] = [];
  /** The nodes as gradient() sees them: operators, and composites in place of the nodes they consist of. */
  readonly tape: Node[] = [];
  readonly inputs: Tensor[] = [];
  readonly outputs: { name: string; tensor: Tensor }[] = [];
  readonly initializers = new Map<string, OnnxInitializer>();
  readonly parent: Graph | undefined;
  /** The numbers of inputs that held() added, by name. */
  readonly heldData = new Map<string, { data: Float32Array; shape: number[] }>();
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

  /**
   * Adds an input. Its symbolic dimensions are read from the tensor that is fed.
   * @throws Error when a dimension is not in canonical form (see Dim)
   */
  input(name: string, type: ElementType, shape: Shape): Tensor {
    for (const dim of shape) {
      if (sum([dim]) !== dim) throw new Error(`input ${name}: write the dimension ${dim} as ${sum([dim])}`);
    }
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

  /** A constant that is stored in the graph itself. Equal ones are stored once, unless they are large. */
  constant(type: ElementType, shape: number[], data: TypedData): Tensor {
    const root = this.root;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key =
      bytes.length <= COMPARED_BYTES
        ? `${type}[${shape}]${Buffer.from(bytes).toString('latin1')}`
        : root.freshName('key');
    const known = root.constants.get(key);
    if (known) return known;
    const tensor = { name: root.freshName('constant'), type, shape };
    root.initializers.set(tensor.name, { name: tensor.name, type, shape, data: bytes });
    root.constants.set(key, tensor);
    return tensor;
  }

  /** A constant whose bytes stay in a file, such as a model's weight. */
  external(name: string, type: ElementType, shape: number[], data: ExternalData): Tensor {
    this.root.initializers.set(name, { name, type, shape, data });
    return { name, type, shape };
  }

  /**
   * A tensor whose numbers are in this process's memory, where several graphs can share them: an input that the graph's session
   * feeds itself.
   */
  held(name: string, shape: number[], data: Float32Array): Tensor {
    this.root.heldData.set(name, { data, shape });
    return this.root.input(name, 'float32', shape);
  }

  /** A float32 constant. */
  floats(values: number[], shape: number[] = [values.length]): Tensor {
    return this.constant('float32', shape, Float32Array.from(values));
  }

  /** A float32 constant of shape []. */
  scalar(value: number): Tensor {
    return this.floats([value], []);
  }

  /** An int64 constant. */
  ints(values: number[], shape: number[] = [values.length]): Tensor {
    return this.constant('int64', shape, BigInt64Array.from(values, BigInt));
  }

  /** Appends a node. Operators check types and shapes before they call this; nothing is checked here. */
  emit(
    opType: string,
    inputs: (Tensor | undefined)[],
    outputs: { type: ElementType; shape: Shape }[],
    { attributes = {}, domain = '', vjp }: NodeOptions = {},
  ): Tensor[] {
    const results = outputs.map(({ type, shape }) => ({ name: this.freshName(opType), type, shape }));
    const node = { opType, inputs, outputs: results, attributes, domain, vjp };
    this.nodes.push(node);
    if (this.recording) this.tape.push(node);
    return results;
  }

  /**
   * Builds tensors from several operators that gradient() sees as one node, differentiated by `vjp`: for computations whose
   * derivative is cheaper than the chain rule over their operators.
   * @param inputs the tensors that cotangents flow to
   * @param build appends the operators and returns the outputs
   */
  composite(opType: string, inputs: Tensor[], build: () => Tensor[], vjp: Vjp): Tensor[] {
    const outer = this.recording;
    this.recording = false;
    const outputs = build();
    this.recording = outer;
    if (outer) this.tape.push({ opType, inputs, outputs, attributes: {}, domain: '', vjp });
    return outputs;
  }

  /** Gives a computed size, int64 [1], a name that shapes can use: that of a slice, for example. */
  defineDim(name: string, size: Tensor): void {
    this.dims.set(name, size);
  }

  /**
   * The run-time size of a named dimension, int64 [1]: one that defineDim() named, or the axis of a graph input.
   * @throws Error when the graph and its parents have none of this name
   */
  dim(name: string): Tensor {
    const known = this.dims.get(name);
    if (known) return known;
    for (const tensor of this.inputs) {
      const axis = tensor.shape.indexOf(name);
      if (axis < 0) continue;
      const attributes = { start: axis, end: axis + 1 };
      const [size] = this.emit('Shape', [tensor], [{ type: 'int64', shape: [1] }], { attributes });
      this.dims.set(name, size);
      return size;
    }
    if (this.parent) return this.parent.dim(name);
    throw new Error(`no input of the graph has a dimension named ${name}`);
  }
}
