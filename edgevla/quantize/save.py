"""Writing a graph, whole or not at all, with weights beside it once it outgrows what protobuf can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from onnx import TensorProto, external_data_helper

from edgevla.files import whole, write_whole
from edgevla.quantize.errors import WriteFailed
from edgevla.quantize.graph import constants, is_external

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

    from edgevla.quantize.graph import Graph

INSIDE_LIMIT_BYTES = 1 << 30  # protobuf fails at 2 GiB; half of it keeps copies affordable
_ALIGNMENT = 4096  # so that the file can be mapped
_INSIDE_BYTES = 1024  # smaller tensors stay in the graph: shapes and axes must be there for shape inference


def save_graph(model: ModelProto, source: Graph, path: Path, *, limit_bytes: int = INSIDE_LIMIT_BYTES) -> list[Path]:
    """Write a model that may refer to weights beside `source`, so that it needs nothing but what is written.

    Args:
        model: changed in place: its weights end inside it or in the new file.
        path: the .onnx file; weights past the limit go into a file of this name with `.data` behind it.
        limit_bytes: how many bytes of weights may stand inside the graph.

    Returns:
        The files written.

    Raises:
        WriteFailed: no room, no permission. What lay at `path` before still lies there.
        GraphUnfit: the source's weights cannot be read.
    """
    weights = list(constants(model))
    total = sum(int(source.read(each).nbytes) if is_external(each) else len(each.raw_data) for each in weights)
    beside = path.with_name(path.name + ".data")
    try:
        if total <= limit_bytes:
            for tensor in weights:
                if is_external(tensor):
                    _inside(tensor, source)
            write_whole(path, model.SerializeToString())
            return [path]
        with whole(path) as draft, whole(beside) as draft_beside:
            with draft_beside.open("wb") as file:
                for tensor in weights:
                    _spill(tensor, source, file, beside.name)
            draft.write_bytes(model.SerializeToString())
        return [path, beside]
    except OSError as error:
        raise WriteFailed(
            f"{path}: cannot be written: {error.strerror}", fix="free some space, or choose another place"
        ) from None


def _inside(tensor: TensorProto, source: Graph) -> None:
    tensor.raw_data = source.read(tensor).tobytes()
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT


def _spill(tensor: TensorProto, source: Graph, file: BinaryIO, location: str) -> None:
    values: Any = source.read(tensor).reshape(-1).view(np.uint8) if is_external(tensor) else tensor.raw_data
    size = len(values)
    if size < _INSIDE_BYTES:
        if is_external(tensor):
            _inside(tensor, source)
        return
    offset = -(-file.tell() // _ALIGNMENT) * _ALIGNMENT
    file.seek(offset)
    file.write(memoryview(values))
    tensor.raw_data = b""  # onnx marks only tensors that have the field
    external_data_helper.set_external_data(tensor, location, offset, size)
    tensor.ClearField("raw_data")
