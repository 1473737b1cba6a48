"""Rules about single Q and DQ nodes, and about what they stand in front of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from edgevla.quantize.graph import attribute
from edgevla.quantize.layers import name_of
from edgevla.quantize.lint.finding import Rule
from edgevla.quantize.lint.view import INT8_OPS, QUANTISED

if TYPE_CHECKING:
    from edgevla.quantize.lint.finding import Places
    from edgevla.quantize.lint.view import View

_Q, _DQ = "QuantizeLinear", "DequantizeLinear"
_OPERATOR_FORMAT = {"QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}
_NONLINEAR = {
    *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"),
    *("SimplifiedLayerNormalization", "Softmax", "LogSoftmax", "Gelu", "Erf", "Tanh", "Sigmoid", "ReduceMean"),
}


def _unsigned(view: View) -> Places:
    for node in view.nodes(_Q, _DQ):
        zero, constant = view.zero_point(node), view.graph.constant(node.input[0])
        kinds = [each.data_type for each in (zero, constant) if each is not None and each.data_type in QUANTISED]
        if node.op_type == _Q and zero is None and not attribute(node, "output_dtype", 0):
            yield name_of(node), "has no zero-point, so its numbers are uint8"
        elif wrong := [kind for kind in kinds if kind != TensorProto.INT8]:
            yield name_of(node), f"is {TensorProto.DataType.Name(wrong[0]).lower()}"


def _asymmetric(view: View) -> Places:
    for node in view.nodes(_Q, _DQ):
        zero = view.zero_point(node)
        if zero is not None and zero.data_type in QUANTISED and (values := view.graph.read(zero)).any():
            yield name_of(node), f"has the zero-point {values.ravel()[np.flatnonzero(values)[0]]}"


def _bias(view: View) -> Places:
    for node in view.nodes(_DQ):
        constant = view.graph.constant(node.input[0])
        biases = [reader for reader, place in view.readers(node.output[0]) if place == 2 and reader.op_type in INT8_OPS]
        if biases or (constant is not None and constant.data_type == TensorProto.INT32):
            yield name_of(biases[0] if biases else node), "its bias is quantised"


def _after(view: View) -> Places:
    for node in view.nodes(_DQ):
        if view.is_weight(node):
            continue
        others = [each for each, _ in view.readers(node.output[0]) if each.op_type not in INT8_OPS | _NONLINEAR | {_Q}]
        before = view.origin(node.input[0])
        stands = f"stands behind {name_of(before)}" if before is not None else "quantises what comes in"
        if others:
            yield name_of(node), f"{stands}, and {others[0].op_type} {name_of(others[0])} reads it, which is not INT8"
        elif node.output[0] in view.outputs:
            yield name_of(node), f"{stands}, and it is an output of the graph"


def _nonlinear(view: View) -> Places:
    for node in view.nodes(_DQ):
        for reader, _ in view.readers(node.output[0]):
            if reader.op_type in _NONLINEAR:
                yield name_of(reader), f"{reader.op_type} reads quantised numbers from {name_of(node)}"


def _vector(view: View) -> Places:
    for node in view.nodes(_Q, _DQ):
        scale = view.scale(node)
        if (
            scale is not None
            and scale.size > 1
            and not view.is_weight(node)
            and view.graph.constant(node.input[0]) is None
        ):
            yield name_of(node), f"has {scale.size} scales for an activation"


def _loose(view: View) -> Places:
    for tensor in view.graph.initializers.values():
        if tensor.data_type not in QUANTISED:
            continue
        for node in view.graph.consumers.get(tensor.name, []):
            is_zero_point = node.op_type in {_Q, _DQ} and len(node.input) > 2 and node.input[2] == tensor.name
            if node.op_type != _DQ and not is_zero_point:
                yield tensor.name, f"is quantised, and {node.op_type} {name_of(node)} reads it"


def _axis(view: View) -> Places:
    for node in view.nodes(_DQ):
        scale = view.scale(node)
        if scale is None or scale.size <= 1 or not view.is_weight(node):
            continue
        axis = attribute(node, "axis", 1)
        for reader in view.graph.consumers.get(node.output[0], []):
            right = view.weight_axis(reader, list(reader.input).index(node.output[0]))
            if right is not None and axis not in {right, right - _rank(view, node.input[0])}:
                yield name_of(reader), f"its weights have a scale for each slice along axis {axis}, not {right}"


def _rank(view: View, name: str) -> int:
    constant = view.graph.constant(name)
    return 0 if constant is None else len(constant.dims)


def _half(view: View) -> Places:
    for node in view.nodes(*INT8_OPS):
        quantised = [view.dequantised(name) for name in node.input[:2]]
        if quantised[0] != quantised[1]:
            place = quantised.index(True)
            source = view.graph.producers.get(node.input[place])
            while source is not None and source.op_type != _DQ:
                source = view.graph.producers.get(source.input[0])
            if source is not None and not view.is_weight(source):
                yield name_of(node), f"its input {place} is quantised, its input {1 - place} is not"


def _scale(view: View) -> Places:
    for node in view.nodes(_Q, _DQ):
        scale = view.scale(node)
        if scale is None:
            yield name_of(node), "its scale is computed"
        elif not (np.isfinite(scale) & (scale > 0)).all():
            yield (
                name_of(node),
                f"has the scale {scale.ravel()[np.flatnonzero(~(scale.ravel() > 0))[:1]].tolist() or 'inf'}",
            )


def _format(view: View) -> Places:
    for node in view.nodes(*_OPERATOR_FORMAT):
        yield name_of(node), f"is a {node.op_type}"


RULES = (
    Rule("explicit-qdq", "TensorRT has no such operator", "quantise into Q/DQ nodes (QuantFormat.QDQ)", _format),
    Rule("int8-only", "TensorRT takes int8 only", "quantise activations and weights as QInt8", _unsigned),
    Rule("zero-point-0", "TensorRT takes symmetric quantisation only", "quantise symmetrically", _asymmetric),
    Rule("positive-scale", "the numbers behind it are lost", "calibrate again", _scale),
    Rule("float-bias", "TensorRT takes no int32 Q/DQ", "keep biases in float (QuantizeBias=False)", _bias),
    Rule(
        "scalar-activation-scale",
        "TensorRT takes one scale for an activation; a scale a channel is for weights",
        "calibrate the tensor as a whole",
        _vector,
    ),
    Rule("weight-axis", "channels share the wrong scales", "one scale for each output channel", _axis),
    Rule(
        "constant-before-dq",
        "TensorRT takes a quantised constant only right in front of a DequantizeLinear",
        "quantise Conv, Gemm and MatMul only",
        _loose,
    ),
    Rule(
        "inputs-only",
        "the operator in front can no longer be fused with what follows, and rounding twice costs accuracy",
        "keep Q/DQ on the inputs of Conv, Gemm and MatMul (OpTypesToExcludeOutputQuantization)",
        _after,
    ),
    Rule(
        "float-nonlinear",
        "normalisations, Softmax and GELU have no INT8 kernel, and their ranges do not fit eight bits",
        "leave these operators in float",
        _nonlinear,
    ),
    Rule("both-operands", "it runs in float and pays for the rounding all the same", "quantise both or neither", _half),
)
