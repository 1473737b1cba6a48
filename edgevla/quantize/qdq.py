"""The TensorRT-shaped graph: explicit Q/DQ on what goes into Conv, Gemm and MatMul, float everywhere else.

onnxruntime.quantization writes such graphs too, but neither weights alone in INT8 nor smoothed ones, and it keeps the
whole model in memory several times over. The rules are those of `edgevla.quantize.lint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgevla.quantize.layers import Layer, Level, Plan
from edgevla.quantize.smooth import gains_at, scaled, summed_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from edgevla.quantize.graph import Graph
    from edgevla.quantize.smooth import Factors

_MARK = "edgevla."  # begins every name added here


def insert_qdq(
    graph: Graph, layers: Iterable[Layer], plan: Plan, scales: Mapping[str, float], factors: Factors | None = None
) -> ModelProto:
    """A quantised copy of a graph. Weights that stay float keep lying beside the original, if they did.

    Args:
        plan: a level for each of the layers.
        scales: the step of each tensor that an INT8 layer reads, after its factor.
        factors: what the channels of a tensor are divided by before it is quantised, see `smooth`.
    """
    writer = _Writer(graph, scales, factors or {})
    kept = [(layer, plan[layer.name]) for layer in layers if plan[layer.name] is not Level.FLOAT]
    int8 = [layer for layer, level in kept if level is Level.INT8]
    for layer in int8:
        writer.quantise_inputs(layer, int8)
    for layer, level in kept:
        if layer.weight:
            writer.quantise_weight(layer, level)
    return writer.finish()


class _Writer:
    """Collects new nodes in front of the nodes that need them, then puts the graph together once."""

    def __init__(self, graph: Graph, scales: Mapping[str, float], factors: Factors) -> None:
        self._graph, self._scales, self._factors = graph, scales, factors
        self._before: dict[int, list[NodeProto]] = {}  # id of a node -> nodes to stand in front of it
        self._inputs: dict[int, dict[int, str]] = {}  # id of a node -> position -> new name
        self._replaced: dict[str, TensorProto] = {}  # initializers with new content
        self._added: dict[str, TensorProto] = {}
        self._quantised: dict[str, str] = {}  # tensor -> its Q's output
        self._smoothed: dict[str, str] = {}

    def quantise_inputs(self, layer: Layer, int8: list[Layer]) -> None:
        """Put Q/DQ on the activations of a layer: one Q a tensor, a DQ of its own for each reader."""
        for place in layer.activations:
            name = layer.node.input[place]
            where = self._before.setdefault(id(layer.node), [])
            if name not in self._quantised:
                source = self._smooth(name, int8, where) if layer.weight and name in self._factors else name
                scale = self._add(f"{name}.scale", np.float32(self._scales[name]))
                self._quantised[name] = f"{_MARK}{name}.int8"
                where.append(_node("QuantizeLinear", [source, scale, self._zero()], self._quantised[name]))
            dequantised = f"{_MARK}{layer.name}.{place}"
            scale = f"{_MARK}{name}.scale"
            where.append(_node("DequantizeLinear", [self._quantised[name], scale, self._zero()], dequantised))
            self._inputs.setdefault(id(layer.node), {})[place] = dequantised

    def quantise_weight(self, layer: Layer, level: Level) -> None:
        """Store a layer's weights in INT8, one scale a channel, right before a DQ."""
        weights = np.asarray(self._graph.values(layer.weight), np.float32)
        factor = self._factors.get(layer.node.input[layer.activations[0]]) if layer.activations else None
        axis = summed_axis(layer)
        if level is Level.INT8 and factor is not None and axis is not None:
            weights = scaled(weights, axis, factor)
        values, scale = quantise_weights(weights, layer.axis)
        names = [
            self._add(f"{layer.name}.weight", values),
            self._add(f"{layer.name}.weight.scale", scale),
            self._zeros(len(scale)),
        ]
        dequantised = f"{_MARK}{layer.name}.weight.float"
        self._before.setdefault(id(layer.node), []).append(
            _node("DequantizeLinear", names, dequantised, axis=layer.axis)
        )
        self._inputs.setdefault(id(layer.node), {})[layer.weight_at] = dequantised

    def finish(self) -> ModelProto:
        """The new model, without constants that nothing reads any more."""
        model = ModelProto()
        model.ir_version = self._graph.model.ir_version
        model.producer_name = "edgevla"
        model.opset_import.extend(self._graph.model.opset_import)
        model.functions.extend(self._graph.model.functions)
        old, new = self._graph.graph, model.graph
        new.name = old.name
        new.input.extend(old.input)
        new.output.extend(old.output)
        for node in old.node:
            new.node.extend(self._before.get(id(node), ()))
            new.node.append(node)
            for place, name in self._inputs.get(id(node), {}).items():
                new.node[-1].input[place] = name
        read = {name for node in new.node for name in node.input} | {value.name for value in new.output}
        for node in [each for each in new.node if each.op_type == "Constant" and each.output[0] not in read]:
            new.node.remove(node)
        for tensor in old.initializer:
            if tensor.name in read:
                new.initializer.append(self._replaced.get(tensor.name, tensor))
        new.initializer.extend(self._added.values())
        return model

    def _smooth(self, name: str, int8: list[Layer], where: list[NodeProto]) -> str:
        """Divide a tensor by its factor: in the gains it was multiplied with if nobody else reads it, else by a Mul."""
        factor = self._factors[name]
        readers = {id(node) for node in self._graph.consumers.get(name, [])}
        alone = readers <= {id(layer.node) for layer in int8 if layer.weight}
        gains = _gains(self._graph, self._graph.producers[name])
        own = all(each in self._graph.initializers and len(self._graph.consumers[each]) == 1 for each in gains)
        if alone and own and all(value.name != name for value in self._graph.graph.output):
            for each in gains:
                self._replaced[each] = numpy_helper.from_array(self._graph.values(each) / factor, each)
            return name
        constant = self._add(f"{name}.smooth", (1.0 / factor).astype(np.float32))
        smoothed = f"{_MARK}{name}.smoothed"
        where.append(_node("Mul", [name, constant], smoothed))
        return smoothed

    def _zero(self) -> str:
        return self._add("zero", np.int8(0))

    def _zeros(self, count: int) -> str:
        return self._add(f"zeros.{count}", np.zeros(count, np.int8))

    def _add(self, name: str, values: NDArray[Any] | np.generic) -> str:
        marked = _MARK + name
        if marked not in self._added:
            self._added[marked] = numpy_helper.from_array(np.asarray(values), marked)
        return marked


def quantise_weights(weights: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric INT8 with one scale for each slice along `axis`: values in -127..127, scale (slices,)."""
    others = tuple(each for each in range(weights.ndim) if each != axis)
    reach = np.abs(weights).max(axis=others)
    scale = (np.maximum(reach, np.finfo(np.float32).tiny * 127.0) / 127.0).astype(np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    values = np.clip(np.rint(weights / scale.reshape(shape)), -127, 127).astype(np.int8)
    return values, scale


def _gains(graph: Graph, normalisation: NodeProto) -> list[str]:
    """The constants whose division divides a normalisation's output: gains and offsets, or those of a Mul."""
    if normalisation.op_type == "Mul":
        return [normalisation.input[gains_at(graph, normalisation) or 0]]
    return [each for each in normalisation.input[1:] if each]


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    return helper.make_node(kind, inputs, [output], name=output, **attributes)
