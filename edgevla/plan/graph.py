"""What an ONNX graph has to do: read from the shapes of its tensors alone, so weights beside the graph stay on disk.

Matrix products, convolutions, softmax and norms are kernels; every other operation is taken to be fused into one of
these, as TensorRT does with nearly all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgevla.plan.errors import PlanRefused
from edgevla.plan.onnx_shapes import SMALL, load_shapes
from edgevla.plan.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

_PRODUCTS = {"MatMul", "Gemm"}
_CONVOLUTIONS = {"Conv", "ConvTranspose"}
_REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"}
_PASSES = {
    "Softmax": 1,
    "LogSoftmax": 1,
    "LayerNormalization": 1,
    "InstanceNormalization": 1,
    "GroupNormalization": 1,
    "BatchNormalization": 1,
    "RMSNormalization": 1,
    **dict.fromkeys(_REDUCTIONS, 1),
}
_QUANTISED_FROM = "DequantizeLinear"
_OTHER = "graph"
_TABLES = "tables"  # constants that no product takes: embeddings, which are looked up, not read through

Shape = tuple[int, ...]


def read_work(path: Path, *, passes: int = 1, component: str = "") -> tuple[Work, ...]:
    """Read the work of one graph.

    Args:
        path: the ONNX file.
        passes: how often it runs for one chunk.
        component: one name for all of it; without one, the first part of each node's name.

    Raises:
        PlanRefused: not an ONNX graph, a tensor has no static shape, or a node chooses at run time what it does.
    """
    return _Reader(load_shapes(path), path, passes, component).work()


class _Reader:
    """Goes through the nodes once, in their order, keeping track of what is constant."""

    def __init__(self, model: onnx.ModelProto, path: Path, passes: int, component: str) -> None:
        graph = model.graph
        self._path, self._passes, self._component = path, passes, component
        self._nodes = list(graph.node)
        self._shapes: dict[str, Shape] = {}
        for value in (*graph.input, *graph.output, *graph.value_info):
            dims = value.type.tensor_type.shape.dim
            if all(dim.HasField("dim_value") for dim in dims):
                self._shapes[value.name] = tuple(dim.dim_value for dim in dims)
        for tensor in graph.initializer:
            self._shapes[tensor.name] = tuple(tensor.dims)
        self._constant = {tensor.name for tensor in graph.initializer}
        self._constants = sum(math.prod(tensor.dims) for tensor in graph.initializer)
        self._maker = {name: node.op_type for node in graph.node for name in node.output}
        self._is_quantised = _QUANTISED_FROM in self._maker.values()

    def work(self) -> tuple[Work, ...]:
        found: list[Work] = []
        for node in self._nodes:
            inputs = [name for name in node.input if name]
            if node.op_type == "Constant" or (inputs and all(name in self._constant for name in inputs)):
                self._constant.update(node.output)
            elif (work := self._of(node)) is not None:
                found.append(work)
        tables = self._constants - sum(each.weights for each in found)
        if tables > SMALL:
            found.append(Work(self._component or _TABLES, 0.0, tables, 0.0, passes=0))
        return tuple(found)

    def _of(self, node: onnx.NodeProto) -> Work | None:
        if node.op_type in _PRODUCTS:
            return self._product(node, self._inner(node))
        if node.op_type in _CONVOLUTIONS:
            weights = self._shape(node.input[1])
            # Each output of Conv (each input of ConvTranspose) meets the weights of one filter, all but the first axis.
            meets = node.output[0] if node.op_type == "Conv" else node.input[0]
            return self._product(node, math.prod(weights[1:]), meets)
        if node.op_type in _PASSES:
            numbers = self._size(node.input[0]) + self._size(node.output[0])
            return Work(self._name(node), 0.0, 0.0, float(numbers), passes=self._passes)
        return None

    def _product(self, node: onnx.NodeProto, inner: int, meets: str = "") -> Work:
        first, second = node.input[:2]
        constant = [name for name in (first, second) if name in self._constant]
        moving = [name for name in (first, second) if name not in self._constant]
        dequantised = all(self._maker.get(name) == _QUANTISED_FROM for name in moving)
        return Work(
            self._name(node),
            macs=float(self._size(meets or node.output[0]) * inner),
            weights=float(sum(map(self._size, constant))),
            activations=float(sum(map(self._size, moving)) + self._size(node.output[0])),
            quantised=bool(constant) and (dequantised or not self._is_quantised),
            passes=self._passes,
        )

    def _inner(self, node: onnx.NodeProto) -> int:
        """The axis that a matrix product sums over."""
        shape = self._shape(node.input[0])
        transposed = any(each.name == "transA" and each.i for each in node.attribute)
        return shape[0] if transposed else shape[-1]

    def _size(self, name: str) -> int:
        return math.prod(self._shape(name))

    def _shape(self, name: str) -> Shape:
        if name not in self._shapes:
            raise PlanRefused(
                f"{self._path}: the tensor {name} has no static shape",
                fix="export the graph with fixed sizes: an engine is built for one shape",
            )
        return self._shapes[name]

    def _name(self, node: onnx.NodeProto) -> str:
        if self._component:
            return self._component
        parts = [part for part in node.name.split("/") if part]
        return parts[0] if len(parts) > 1 else _OTHER
