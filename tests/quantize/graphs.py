"""Small graphs for the tests: every one is written as what it computes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def node(kind, inputs, outputs, name="", **attributes):
    """`node("MatMul", "x w", "y")`."""
    return helper.make_node(kind, inputs.split(), outputs.split(), name=name or outputs.split()[0], **attributes)


def model(nodes, inputs, outputs, constants, *, opset=17, domains=()):
    """Inputs and outputs as {name: shape}; an input of int64 as {name: (shape, INT64)}."""

    def values(tensors):
        for name, given in tensors.items():
            shape, kind = given if isinstance(given[0], tuple) else (given, FLOAT)
            yield helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        nodes,
        "small",
        list(values(inputs)),
        list(values(outputs)),
        [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(each, 1) for each in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def save(path, *args, **kwargs):
    onnx.save(model(*args, **kwargs), str(path))
    return path


def run(given, **inputs):
    """The outputs of a model or a file, in order, on onnxruntime."""
    import onnxruntime

    content = given.SerializeToString() if isinstance(given, onnx.ModelProto) else str(given)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def perceptron(path, rng, *, width=8, hidden=16, out=6, norm=False):
    """y = W2 relu(W1 x + b1) + b2, after a LayerNorm if asked; W1 as a Gemm, W2 as a MatMul."""
    constants = {
        "w1": rng.normal(size=(hidden, width)).astype(np.float32),
        "b1": rng.normal(size=hidden).astype(np.float32),
        "w2": rng.normal(size=(hidden, out)).astype(np.float32),
        "b2": rng.normal(size=out).astype(np.float32),
    }
    nodes = [
        node("Gemm", "h w1 b1", "a", transB=1),
        node("Relu", "a", "r"),
        node("MatMul", "r w2", "p"),
        node("Add", "p b2", "y"),
    ]
    if norm:
        constants |= {"gain": rng.uniform(0.5, 1.5, width).astype(np.float32), "offset": np.zeros(width, np.float32)}
        nodes.insert(0, node("LayerNormalization", "x gain offset", "h"))
    else:
        nodes[0].input[0] = "x"
    return save(path, nodes, {"x": (1, width)}, {"y": (1, out)}, constants)


def attention(path, rng, *, tokens=4, width=8):
    """softmax(q kT / 2 + mask) v, with q, k and v from one input by weights of their own."""
    constants = {name: rng.normal(size=(width, width)).astype(np.float32) for name in ("wq", "wk", "wv")}
    constants |= {"half": np.float32(0.5), "mask": np.zeros((1, tokens, tokens), np.float32)}
    nodes = [
        *(node("MatMul", f"x w{part}", part) for part in "qkv"),
        node("Transpose", "k", "kT", perm=[0, 2, 1]),
        node("MatMul", "q kT", "scores"),
        node("Mul", "scores half", "scaled"),
        node("Add", "scaled mask", "masked"),
        node("Softmax", "masked", "p", axis=-1),
        node("MatMul", "p v", "y"),
    ]
    shape = (1, tokens, width)
    return save(path, nodes, {"x": shape}, {"y": shape}, constants)
