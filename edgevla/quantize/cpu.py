"""The CPU-shaped graph: what onnxruntime's own INT8 kernels on a CPU run faster than float.

They want Q/DQ on outputs too, unsigned activations and INT32 biases, all of which TensorRT refuses: hence a variant of
its own, made by onnxruntime.quantization. Weights get 7 bits: without VNNI the kernels add products in 16 bits, which
8 would overflow, and nobody would notice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from edgevla.quantize.layers import Layer, Level, Plan, find_layers, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgevla.quantize.activations import Activation
    from edgevla.quantize.graph import Graph

_LEAST_WEIGHTS = (
    1 << 14
)  # a smaller product costs less than the Q and DQ around it; measured, see benchmarks/variants.py


def cpu_layers(graph: Graph, *, prefix: str = "") -> tuple[Layer, ...]:
    """The layers that are faster in INT8 on a CPU: convolutions, and products with many weights."""
    return tuple(
        replace(layer, levels=(Level.INT8, Level.FLOAT))
        for layer in find_layers(graph, prefix=prefix)
        if layer.node.op_type == "Conv"
        or (layer.node.op_type == "Gemm" and graph.values(layer.weight).size >= _LEAST_WEIGHTS)
    )


def tensors_of(graph: Graph, layers: Sequence[Layer]) -> dict[str, int]:
    """What has to be observed: the inputs and outputs of the layers, and of the ReLUs that follow them."""
    nodes = [node for layer in layers for node in _with_relu(graph, layer)]
    names = [name for node in nodes for name in (node.input[0], node.output[0])]
    return dict.fromkeys(names, -1)


def quantise_for_cpu(
    graph: Graph, layers: Sequence[Layer], plan: Plan, seen: Mapping[str, Activation]
) -> onnx.ModelProto:
    """A copy of a graph with those layers in INT8 that the plan says, and the ReLU behind each.

    Args:
        seen: how far the tensors of `tensors_of` reach.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    chosen = [layer for layer in layers if plan[layer.name] is Level.INT8]
    nodes = [node for layer in chosen for node in _with_relu(graph, layer)]
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    if not nodes:
        return model
    ranges: dict[str, Any] = {
        name: TensorData(lowest=np.float32(each.lowest), highest=np.float32(each.highest))
        for name, each in seen.items()
    }
    quantiser = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
        nodes_to_quantize=[name_of(node) for node in nodes],
        nodes_to_exclude=[],
        op_types_to_quantize=sorted({node.op_type for node in nodes}),
        extra_options={},
    )
    quantised: onnx.ModelProto = quantiser.quantize_model()
    return quantised


def _with_relu(graph: Graph, layer: Layer) -> list[Any]:
    followers = graph.consumers.get(layer.node.output[0], [])
    relu = [node for node in followers if node.op_type == "Relu"] if len(followers) == 1 else []
    return [layer.node, *relu]
