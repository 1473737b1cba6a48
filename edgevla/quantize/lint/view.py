"""A graph as its Q/DQ nodes see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import NodeProto, TensorProto

from edgevla.quantize.graph import Graph, attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

INT8_OPS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
MOVES = {"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}  # rearrange numbers, compute nothing
QUANTISED = {
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT16,
    TensorProto.UINT16,
    TensorProto.INT4,
    TensorProto.UINT4,
}


class View:
    """Answers what the rules ask."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.outputs = {value.name for value in graph.graph.output}

    def nodes(self, *kinds: str) -> Iterator[NodeProto]:
        """All nodes of these kinds, in order."""
        return (node for node in self.graph.graph.node if node.op_type in kinds)

    def zero_point(self, node: NodeProto) -> TensorProto | None:
        """The zero-point of a Q or DQ as a TensorProto; None when it has none or computes it."""
        return self.graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None

    def scale(self, node: NodeProto) -> NDArray[np.floating[Any]] | None:
        """The scale of a Q or DQ; None when it is computed."""
        return self.graph.values(node.input[1]) if self.graph.constant(node.input[1]) is not None else None

    def is_weight(self, node: NodeProto) -> bool:
        """Whether a DQ, or the Q in front of it, reads a constant."""
        name = node.input[0]
        producer = self.graph.producers.get(name)
        if self.graph.constant(name) is not None:
            return True
        return producer is not None and producer.op_type == "QuantizeLinear" and self.is_weight(producer)

    def readers(self, name: str) -> Iterator[tuple[NodeProto, int]]:
        """Who computes with a tensor, and as which input, past nodes that only rearrange it."""
        for node in self.graph.consumers.get(name, []):
            if node.op_type in MOVES and node.input[0] == name:
                yield from self.readers(node.output[0])
            else:
                yield from ((node, place) for place, each in enumerate(node.input) if each == name)

    def origin(self, name: str) -> NodeProto | None:
        """The node that computed a tensor, past Q, DQ and nodes that only rearrange it; None for inputs, constants."""
        node = self.graph.producers.get(name)
        while node is not None and node.op_type in {*MOVES, "QuantizeLinear", "DequantizeLinear", "Cast"}:
            node = self.graph.producers.get(node.input[0])
        return node

    def dequantised(self, name: str) -> bool:
        """Whether a tensor comes out of a DQ, rearranged or not."""
        node = self.graph.producers.get(name)
        while node is not None and node.op_type in MOVES:
            node = self.graph.producers.get(node.input[0])
        return node is not None and node.op_type == "DequantizeLinear"

    def weight_axis(self, node: NodeProto, place: int) -> int | None:
        """The axis of the output channels of an input of a Conv, Gemm or MatMul; None when it is not known."""
        if node.op_type == "MatMul":
            return place
        if place != 1:
            return None
        gemm = 0 if attribute(node, "transB", 0) else 1
        return {"Conv": 0, "ConvTranspose": 1, "Gemm": gemm}.get(node.op_type)
