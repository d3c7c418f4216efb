/** The ONNX file format: from plain objects to the bytes of a model file. */
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

const ModelProto = protobuf
  .parse(readFileSync(new URL('./onnx.proto', import.meta.url), 'utf8'))
  .root.lookupType('onnx.ModelProto');

/** TensorProto.DataType of the element types in use. */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
} as const;
/** An element type by its name. */
export type ElementType = keyof typeof elementTypes;

/** The value of an attribute: an integer, a string, a list of integers, a float, or a graph. */
export type OnnxAttribute = number | string | bigint[] | { float: number } | OnnxGraph;

/** One operator applied to named values. */
interface OnnxNode {
  opType: string;
  domain: string;
  /** Names of values; an empty string stands for an optional input that is left out. */
  inputs: string[];
  outputs: string[];
  attributes: Record<string, OnnxAttribute>;
}

/** A constant: its bytes, or where they are in another file. */
export interface OnnxInitializer {
  name: string;
  type: ElementType;
  shape: number[];
  data: Uint8Array | { location: string; offset: number; length: number };
}

/** An input or output of a graph. */
interface OnnxValue {
  name: string;
  type: ElementType;
  /** Strings name dimensions that are known only at run time. Absent: the shape is unknown. */
  shape?: (number | string)[];
}

/** A graph: nodes in execution order. */
export interface OnnxGraph {
  name: string;
  nodes: OnnxNode[];
  initializers: OnnxInitializer[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
}

const FLOAT = 1;
const INT = 2;
const STRING = 3;
const GRAPH = 5;
const INTS = 7;
const EXTERNAL = 1;

function attributeProto(name: string, value: OnnxAttribute): object {
  if (typeof value === 'number') return { name, type: INT, i: value };
  if (typeof value === 'string') return { name, type: STRING, s: Buffer.from(value) };
  if (Array.isArray(value)) return { name, type: INTS, ints: value.map(Number) };
  if ('float' in value) return { name, type: FLOAT, f: value.float };
  return { name, type: GRAPH, g: graphProto(value) };
}

function initializerProto({ name, type, shape, data }: OnnxInitializer): object {
  const head = { name, dataType: elementTypes[type], dims: shape };
  if (data instanceof Uint8Array) return { ...head, rawData: data };
  const entries = { location: data.location, offset: String(data.offset), length: String(data.length) };
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return { ...head, dataLocation: EXTERNAL, externalData };
}

function valueProto({ name, type, shape }: OnnxValue): object {
  const dim = shape?.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: elementTypes[type], ...(dim && { shape: { dim } }) } } };
}

function graphProto(graph: OnnxGraph): object {
  return {
    name: graph.name,
    node: graph.nodes.map((node, index) => ({
      name: `${node.opType}_${index}`,
      opType: node.opType,
      domain: node.domain,
      input: node.inputs,
      output: node.outputs,
      attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
    })),
    initializer: graph.initializers.map(initializerProto),
    input: graph.inputs.map(valueProto),
    output: graph.outputs.map(valueProto),
  };
}

/**
 * The bytes of an ONNX model file.
 * @param opsets the version of each operator domain that the graph uses; '' is ONNX's own domain
 */
export function encodeModel(graph: OnnxGraph, opsets: Record<string, number>): Uint8Array {
  const opsetImport = Object.entries(opsets).map(([domain, version]) => ({ domain, version }));
  const IR_VERSION = 9;
  const model = { irVersion: IR_VERSION, producerName: 'selm', opsetImport, graph: graphProto(graph) };
  return ModelProto.encode(ModelProto.create(model)).finish();
}
