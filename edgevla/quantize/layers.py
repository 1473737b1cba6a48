"""Which nodes of a graph can run in INT8, and which belong together."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import NodeProto, TensorProto

from edgevla.quantize.graph import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgevla.quantize.graph import Graph

# What may stand between q.kT and its Softmax, or between the Softmax and p.v, without making them strangers.
_PASSES_ON = {
    *("Add", "Cast", "Clip", "Div", "Dropout", "Expand", "Identity", "Mul", "Reshape", "Squeeze", "Sub", "Transpose"),
    *("Unsqueeze", "Where", "QuantizeLinear", "DequantizeLinear"),
}
_TABLE_LEAST = 1 << 16  # numbers; a smaller table is not worth a scale a row


class Level(enum.Enum):
    """How a layer is kept."""

    INT8 = "int8"  # weights and activations: runs on the INT8 units
    WEIGHTS = "weights"  # weights stored in INT8, arithmetic in float
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Layer:
    """One node that can be quantised.

    `activations` are the positions of the inputs that are computed; `weight` is the constant one, with its output
    channels along `axis`. An attention product has two activations and no weight; `pair` names the softmax it
    belongs to. A table (`Gather`) has no arithmetic to quantise. `levels` are those it can be kept at, the smallest and
    fastest first, the most exact last.
    """

    name: str
    node: NodeProto
    activations: tuple[int, ...]
    levels: tuple[Level, ...]
    weight: str = ""
    weight_at: int = 1
    axis: int = 0
    pair: str = ""


Plan = dict[str, Level]  # layer name -> how it is kept
_WEIGHTED = tuple(Level)
_TABLE = (Level.WEIGHTS, Level.FLOAT)
_PRODUCT = (Level.INT8, Level.FLOAT)


def find_layers(graph: Graph, *, attention: bool = False, prefix: str = "") -> tuple[Layer, ...]:
    """Every Conv, Gemm and MatMul with float32 weights, and large embedding tables, in the order of the graph.

    Args:
        attention: q.kT and p.v too, always both of a softmax.
        prefix: begins the names, where several graphs have layers of the same name.
    """
    layers = [
        layer for node in graph.graph.node if (layer := _weighted(graph, node, prefix + name_of(node))) is not None
    ]
    if attention:
        layers += _attention(graph, prefix)
    order = {id(node): place for place, node in enumerate(graph.graph.node)}
    return tuple(sorted(layers, key=lambda layer: order[id(layer.node)]))


def partners(layers: tuple[Layer, ...], layer: Layer) -> tuple[Layer, ...]:
    """The layers that change their level together: both products of an attention, else the layer alone."""
    return tuple(each for each in layers if each.pair == layer.pair) if layer.pair else (layer,)


def full_plan(layers: tuple[Layer, ...]) -> Plan:
    """Everything at its lowest level."""
    return {layer.name: layer.levels[0] for layer in layers}


def name_of(node: NodeProto) -> str:
    """A node's name; exporters may leave it empty, but an output is always named."""
    return str(node.name or node.output[0])


def _weighted(graph: Graph, node: NodeProto, name: str) -> Layer | None:
    constant = {place for place, name in enumerate(node.input) if _is_weight(graph, name)}
    if node.op_type == "Conv" and constant >= {1} and 0 not in constant:
        return Layer(name, node, (0,), _WEIGHTED, node.input[1])
    if node.op_type == "Gemm" and constant >= {1} and 0 not in constant:
        return Layer(name, node, (0,), _WEIGHTED, node.input[1], axis=0 if attribute(node, "transB", 0) else 1)
    if node.op_type == "MatMul" and len(constant) == 1 and _rank(graph, node.input[min(constant)]) == 2:
        at = min(constant)
        return Layer(name, node, (1 - at,), _WEIGHTED, node.input[at], weight_at=at, axis=at)
    if (
        node.op_type == "Gather"
        and 0 in constant
        and _rank(graph, node.input[0]) == 2
        and not attribute(node, "axis", 0)
    ):
        rows, columns = graph.constant(node.input[0]).dims  # type: ignore[union-attr]
        return Layer(name, node, (), _TABLE, node.input[0], weight_at=0) if rows * columns >= _TABLE_LEAST else None
    return None


def _is_weight(graph: Graph, name: str) -> bool:
    tensor = graph.constant(name)
    return tensor is not None and tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= 2


def _rank(graph: Graph, name: str) -> int:
    tensor = graph.constant(name)
    return len(tensor.dims) if tensor is not None else 0


def _attention(graph: Graph, prefix: str) -> Iterator[Layer]:
    for node in graph.graph.node:
        if node.op_type != "Softmax":
            continue
        scores, reads = product_before(graph, node), product_after(graph, node)
        if scores is not None and reads is not None:
            for product in (scores, reads):
                yield Layer(prefix + name_of(product), product, (0, 1), _PRODUCT, pair=prefix + name_of(node))


def product_before(graph: Graph, softmax: NodeProto) -> NodeProto | None:
    """The MatMul of two activations whose result, scaled and masked, goes into a Softmax; None when there is none."""
    return _walk(graph, softmax.input[0], back=True)


def product_after(graph: Graph, softmax: NodeProto) -> NodeProto | None:
    """The MatMul of two activations that a Softmax weights; None when there is none."""
    return _walk(graph, softmax.output[0], back=False)


def _walk(graph: Graph, start: str, *, back: bool) -> NodeProto | None:
    todo, seen = [start], set()
    while todo:
        name = todo.pop(0)
        nodes = [graph.producers[name]] if back and name in graph.producers else []
        for node in nodes if back else graph.consumers.get(name, []):
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.op_type == "MatMul":
                if not any(graph.constant(each) is not None for each in node.input):
                    return node
            elif node.op_type in _PASSES_ON:
                todo += node.input if back else node.output
    return None


def levels_of(plan: Mapping[str, Level]) -> dict[str, int]:
    """How many layers stand at each level, for people."""
    return {level.value: sum(each is level for each in plan.values()) for level in Level}
