"""What an ONNX file says about itself, without loading its weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.engine.base import GraphRefused
from edgevla.engine.calibrated import read_mark
from edgevla.files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx

_PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """`external` are the files with weights beside the graph; `dtypes` the ONNX names of the types it computes with.

    `float_layers` are the convolutions and matrix products whose activations are not quantised; `calibrated_on` is the
    mark of what the others were quantised on, see `edgevla.engine.calibrated`.
    """

    path: Path
    external: tuple[str, ...]
    dtypes: frozenset[str]
    float_layers: tuple[str, ...] = ()
    quantised: bool = False
    calibrated_on: frozenset[str] | None = None

    def sha256(self) -> str:
        """One hash over the graph and the weights beside it, which may be larger than the memory.

        Raises:
            GraphRefused: a file is missing or unreadable.
        """
        digest = hashlib.sha256(file_sha256(self.path).encode())
        for name in self.external:
            digest.update(f"\n{name} {file_sha256(self.path.parent / name)}".encode())
        return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file that an engine is made of.

    Raises:
        GraphRefused: the file is missing or unreadable.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise GraphRefused(f"{path}: cannot be read: {error.strerror}", fix="copy or export it again") from None


def read_graph(path: Path) -> GraphFacts:
    """Read the structure of a graph.

    Raises:
        GraphRefused: it is not an ONNX graph, or has no nodes.
    """
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise GraphRefused(f"{path}: cannot be read: {error.strerror}", fix="copy or export it again") from None
    except Exception as error:  # protobuf and onnx raise their own kinds
        raise GraphRefused(f"{path}: not an ONNX graph: {error}", fix="export the graph again") from error
    if not model.graph.node:
        raise GraphRefused(f"{path}: not an ONNX graph: it has no nodes", fix="export the graph again")
    graphs = list(_graphs(model.graph))
    entries = (entry for graph in graphs for tensor in _constants(graph) for entry in tensor.external_data)
    external = tuple(sorted({entry.value for entry in entries if entry.key == "location"}))
    return GraphFacts(
        path=path,
        external=external,
        dtypes=frozenset(_dtypes(graphs)),
        float_layers=tuple(_float_layers(graphs)),
        quantised=any(node.op_type == "DequantizeLinear" for graph in graphs for node in graph.node),
        calibrated_on=read_mark(model),
    )


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its If, Loop and Scan nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _constants(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The initializers, and what Constant and other nodes carry in their attributes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _float_layers(graphs: list[onnx.GraphProto]) -> Iterator[str]:
    nodes = [node for graph in graphs for node in graph.node]
    quantised = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    for node in nodes:
        if node.op_type in _PRODUCTS and node.input[0] not in quantised:
            yield node.name or node.output[0]


def _dtypes(graphs: list[onnx.GraphProto]) -> Iterator[str]:
    from onnx import TensorProto

    for graph in graphs:
        for tensor in graph.initializer:
            yield TensorProto.DataType.Name(tensor.data_type)
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in {"to", "output_dtype"}:
                    yield TensorProto.DataType.Name(attribute.i)
                elif attribute.HasField("t"):
                    yield TensorProto.DataType.Name(attribute.t.data_type)
