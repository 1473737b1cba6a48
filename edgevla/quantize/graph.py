"""An ONNX graph whose weights are read one at a time, so that its size on disk is no limit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, external_data_helper, numpy_helper

from edgevla.quantize.errors import GraphUnfit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

T = TypeVar("T")

OLDEST_OPSET = 13  # the first with Q/DQ per channel


class Graph:
    """A model as its file has it; weights that lie beside it stay there until they are asked for.

    Args:
        path: the .onnx file.

    Raises:
        GraphUnfit: it cannot be read, or its weights lie outside its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.model: ModelProto = onnx.load(str(path), load_external_data=False)
        except FileNotFoundError:
            raise GraphUnfit(f"{path}: there is no such file") from None
        except Exception as error:  # protobuf and onnx raise their own kinds
            raise GraphUnfit(f"{path}: not an ONNX graph: {error}", fix="export the graph again") from error
        if not self.model.graph.node:
            raise GraphUnfit(f"{path}: not an ONNX graph: it has no nodes", fix="export the graph again")
        self.graph = self.model.graph
        self.initializers: dict[str, TensorProto] = {tensor.name: tensor for tensor in self.graph.initializer}
        self.producers: dict[str, NodeProto] = {}
        self.consumers: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in node.output:
                self.producers[name] = node
            for name in dict.fromkeys(node.input):
                self.consumers.setdefault(name, []).append(node)

    @property
    def opset(self) -> int:
        """The version of the default operator set; 0 when there is none."""
        return next((each.version for each in self.model.opset_import if each.domain in {"", "ai.onnx"}), 0)

    @property
    def inputs(self) -> tuple[ValueInfoProto, ...]:
        """What a run must be given: the graph's inputs without initializers that stand among them."""
        return tuple(each for each in self.graph.input if each.name not in self.initializers)

    def constant(self, name: str) -> TensorProto | None:
        """The tensor of an initializer or a Constant node, as a TensorProto; None for what is computed."""
        if name in self.initializers:
            return self.initializers[name]
        node = self.producers.get(name)
        if node is None or node.op_type != "Constant":
            return None
        return next((each.t for each in node.attribute if each.name == "value"), None)

    def values(self, name: str) -> NDArray[Any]:
        """The numbers of a constant.

        Raises:
            GraphUnfit: they cannot be read.
        """
        return self.read(self.constant(name))

    def read(self, tensor: TensorProto) -> NDArray[Any]:
        """The numbers of a TensorProto, from beside the graph when they lie there: mapped, not copied.

        Raises:
            GraphUnfit: the file is missing or too short, or lies outside the graph's folder.
        """
        if tensor.data_location != TensorProto.EXTERNAL:
            inside: NDArray[Any] = numpy_helper.to_array(tensor)
            return inside
        info = external_data_helper.ExternalDataInfo(tensor)
        path = self.path.parent / info.location
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        if not path.resolve().is_relative_to(self.path.parent.resolve()):
            raise GraphUnfit(f"{self.path}: {tensor.name} lies outside its folder, in {info.location}")
        try:
            return np.memmap(path, dtype, "r", info.offset or 0, tuple(tensor.dims))
        except (OSError, ValueError) as error:
            raise GraphUnfit(
                f"{self.path}: {tensor.name} cannot be read from {path}: {error}", fix="copy the weights' file again"
            ) from None

    def external_files(self) -> list[str]:
        """The files beside the graph that hold weights, by the names it has for them."""
        places = (external_data_helper.ExternalDataInfo(tensor) for tensor in self.tensors() if is_external(tensor))
        return sorted({info.location for info in places})

    def tensors(self) -> Iterator[TensorProto]:
        """Every constant, see `constants`."""
        return constants(self.model)


def open_graph(path: Path) -> Graph:
    """Read a graph and see whether it can be quantised at all.

    Raises:
        GraphUnfit: broken, free dimensions, an opset before 13, or quantised already.
    """
    graph = Graph(path)
    if graph.opset < OLDEST_OPSET:
        raise GraphUnfit(
            f"{path}: opset {graph.opset}; Q/DQ per channel needs at least {OLDEST_OPSET}", fix="export with opset 17"
        )
    for value in graph.inputs:
        if free := free_dimensions(value):
            raise GraphUnfit(
                f"{path}: the input {value.name} has the shape [{', '.join(free)}]",
                fix="export the graph with fixed shapes, batch 1",
            )
    if any(node.op_type in {"QuantizeLinear", "DequantizeLinear", "QLinearConv"} for node in graph.graph.node):
        raise GraphUnfit(f"{path}: is quantised already", fix="quantise the fp32 graph")
    return graph


def constants(model: ModelProto) -> Iterator[TensorProto]:
    """Every constant of a model: its initializers, then the values of its Constant nodes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        if node.op_type == "Constant":
            yield from (each.t for each in node.attribute if each.name == "value")


def free_dimensions(value: ValueInfoProto) -> list[str]:
    """The shape of an input as written, when a dimension of it is free; else empty."""
    shape = [
        str(each.dim_value) if each.HasField("dim_value") and each.dim_value > 0 else each.dim_param or "?"
        for each in value.type.tensor_type.shape.dim
    ]
    return [] if all(size.isdecimal() for size in shape) else shape


def is_external(tensor: TensorProto) -> bool:
    """Whether a tensor's numbers lie in a file beside the graph."""
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def attribute(node: NodeProto, name: str, default: T) -> T:
    """The value of a node's attribute, of the kind its default has."""
    found = (onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name)
    return cast("T", next(found, default))
