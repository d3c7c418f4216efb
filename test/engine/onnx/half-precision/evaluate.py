"""Checks graphs by ONNX's own checker, and computes them by ONNX's own evaluator: every node's result is rounded to its type.

Of each folder reads FOLDER/graph.onnx, FOLDER/types.json {tensor: [type, shape]} for every tensor a node of it makes, bodies of loops included, and
FOLDER/feeds.json {input: {type, shape, data: base64}}, cast to what the graph takes; where there are some, writes FOLDER/outputs.json
alike, in the order of the graph's outputs, float32.

  python evaluate.py FOLDER...     (onnx 1.23, numpy)
"""
import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, defs, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

ONNX_TYPES = dict(float32=TensorProto.FLOAT, float16=TensorProto.FLOAT16, bfloat16=TensorProto.BFLOAT16, int64=TensorProto.INT64,
                  int32=TensorProto.INT32, bool=TensorProto.BOOL, uint8=TensorProto.UINT8)
FLOATS = ['tensor(float)', 'tensor(float16)', 'tensor(bfloat16)']

wide = lambda x: np.asarray(x).astype(np.float32)
transposed = lambda x, flag: np.swapaxes(x, -1, -2) if flag else x


# ONNX Runtime's own operators as its documentation (docs/ContribOperators.md) has them: computed in float32, rounded once.
class FusedMatMul(OpRun):
    op_domain = 'com.microsoft'

    def _run(self, a, b, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
        return ((np.float32(alpha) * (transposed(wide(a), transA) @ transposed(wide(b), transB))).astype(a.dtype),)


class QuickGelu(OpRun):
    op_domain = 'com.microsoft'

    def _run(self, x, alpha=1.702):
        return ((wide(x) / (1 + np.exp(-np.float32(alpha) * wide(x)))).astype(x.dtype),)


class RotaryEmbedding(OpRun):
    op_domain = 'com.microsoft'

    def _run(self, x, positions, cos_cache, sin_cache, interleaved=0, **_):
        cos, sin = cos_cache[positions][:, None], sin_cache[positions][:, None]
        first, second = np.split(x, 2, axis=-1)
        return (np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1),)


class SimplifiedLayerNormalization(OpRun):
    def _run(self, x, scale, axis=-1, epsilon=1e-5, stash_type=1):
        inverse = 1 / np.sqrt((wide(x) ** 2).mean(axis=-1, keepdims=True) + np.float32(epsilon))
        return ((wide(x) * inverse).astype(x.dtype) * scale, inverse)


# The standard's, with the sum of products in float32 as matrix units have it.
class Gemm(OpRun):
    def _run(self, a, b, c=None, alpha=1.0, beta=1.0, transA=0, transB=0):
        y = np.float32(alpha) * (transposed(wide(a), transA) @ transposed(wide(b), transB))
        return ((y if c is None else y + wide(c)).astype(a.dtype),)


OWN = [FusedMatMul, QuickGelu, RotaryEmbedding, SimplifiedLayerNormalization, Gemm]


def register_schemas():
    """Types of ONNX Runtime's operators, so that the checker follows them through. Its normalization has ONNX's own domain there."""
    def add(name, domain, inputs, outputs, attributes, types=FLOATS):
        formal = lambda entry: defs.OpSchema.FormalParameter(*entry)
        schema = defs.OpSchema(
            name, domain, 1, inputs=[formal(i) for i in inputs], outputs=[formal(o) for o in outputs],
            type_constraints=[('T', types, '')] + ([('U', ['tensor(float)'], '')] if any(o[1] == 'U' for o in outputs) else []),
            attributes=[defs.OpSchema.Attribute(a, kind, '', required=False) for a, kind in attributes.items()])

        def infer(context):
            for i, (_, kind) in enumerate(outputs):
                if i >= context.get_num_outputs():
                    break
                out = onnx.TypeProto()
                out.CopyFrom(context.get_input_type(0))
                if kind == 'U':
                    out.tensor_type.elem_type = TensorProto.FLOAT
                out.tensor_type.ClearField('shape')
                context.set_output_type(i, out)
        schema.set_type_and_shape_inference_function(infer)
        defs.register_schema(schema)

    i, f = defs.OpSchema.AttrType.INT, defs.OpSchema.AttrType.FLOAT
    T = lambda *names: [(name, 'T') for name in names]
    add('FusedMatMul', 'com.microsoft', T('A', 'B'), T('Y'), dict(alpha=f, transA=i, transB=i))
    add('QuickGelu', 'com.microsoft', T('X'), T('Y'), dict(alpha=f))
    add('RotaryEmbedding', 'com.microsoft', [('X', 'T'), ('P', 'tensor(int64)'), ('C', 'T'), ('S', 'T')], T('Y'), dict(interleaved=i))
    add('SimplifiedLayerNormalization', '', T('X', 'scale'), [('Y', 'T'), ('inverse', 'U')], dict(axis=i, epsilon=f))


def state_types(graph, types):
    """Has the file say what the graph layer says of every tensor, for the checker to agree or not."""
    stated = lambda name: helper.make_tensor_value_info(name, ONNX_TYPES[types[name][0]], types[name][1])
    outputs = {value.name: value for value in graph.output}
    for node in graph.node:
        for name in filter(None, node.output):
            if name not in outputs:
                graph.value_info.append(stated(name))
            else:
                outputs[name].type.tensor_type.shape.CopyFrom(stated(name).type.tensor_type.shape)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                state_types(attribute.g, types)


def check_and_compute(folder):
    types, feeds = (json.loads((folder / f'{name}.json').read_text()) for name in ('types', 'feeds'))
    model = onnx.load(folder / 'graph.onnx')
    state_types(model.graph, types)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    if not feeds:
        return
    taken = {value.name: helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type) for value in model.graph.input}
    decode = lambda feed: np.frombuffer(base64.b64decode(feed['data']), feed['type']).reshape(feed['shape'])
    inputs = {name: decode(feed).astype(taken[name]) for name, feed in feeds.items()}
    with np.errstate(over='ignore', under='ignore', invalid='ignore', divide='ignore'):
        results = ReferenceEvaluator(model, new_ops=OWN).run(None, inputs)
    encode = lambda x: dict(shape=x.shape, data=base64.b64encode(np.ascontiguousarray(wide(x)).tobytes()).decode())
    (folder / 'outputs.json').write_text(json.dumps([encode(x) for x in results]))


register_schemas()
for argument in sys.argv[1:]:
    check_and_compute(Path(argument))
