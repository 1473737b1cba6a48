"""Decoding inside the engine: a `DecodeAction` node (kernels/trt_plugin.h) behind the action output of an ONNX graph.

Only TensorRT with libedgevla_trt runs such a graph. Without it the same calls run after the engine, on its stream:
`edgevla/engine/decoding.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgevla.engine.base import GraphRefused, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    from numpy.typing import NDArray

    from edgevla.engine.native import Statistics

DOMAIN, OPERATOR, VERSION = "edgevla", "DecodeAction", "1"
ACTIONS, VERDICTS = ".actions", ".verdicts"  # behind the name of the output that is decoded
_VERDICT_NUMBERS = 4


@dataclass(frozen=True, eq=False)
class DecodeNode:
    """What the node does: the fields of kernels/trt_fields.h.

    Args:
        output: the graph's output to be decoded, float32 or float16: normalised numbers (1, horizon, width) or logits
            (1, horizon * dims, vocabulary).
        decode: which of them it is.
        horizon: rows of the chunk.
        dims: numbers in a row; a wider row ends in padding.
        statistics: from normalised numbers to actions.
        first: the lowest action id.
        values: (ids,) float32, the normalised number of each action id from there on; empty without logits.
    """

    output: str
    decode: Literal["unnormalise", "token_logits"]
    horizon: int
    dims: int
    statistics: Statistics
    first: int = 0
    values: NDArray[np.float32] | None = None

    @property
    def made(self) -> tuple[Tensor, Tensor]:
        """What it gives: actions, and their verdict as four numbers of `edgevla_verdict`."""
        return (
            Tensor(self.output + ACTIONS, "float32", (1, self.horizon, self.dims)),
            Tensor(self.output + VERDICTS, "int32", (1, _VERDICT_NUMBERS)),
        )

    def check(self, dtype: str, shape: Sequence[int]) -> None:
        """Check that what it reads is what it was made for; 0 in the shape is a free dimension.

        Raises:
            GraphRefused: it would read something else, or beyond the end.
        """
        if dtype not in {"float32", "float16"}:
            raise refused(self, f"it is {dtype}, not float32 or float16")
        rows, columns = self.horizon, self.dims
        if self.values is not None:
            rows, columns = self.horizon * self.dims, self.first + len(self.values)
        if len(shape) != 3 or tuple(shape[:2]) != (1, rows) or shape[2] < columns:
            raise refused(self, f"it is {list(shape)}, not (1, {rows}, {columns} or more)")

    def digest(self) -> str:
        """A name for all that it does, 64 hexadecimal digits."""
        return hashlib.sha256(repr((self.output, sorted(self.attributes().items()))).encode()).hexdigest()

    def attributes(self) -> dict[str, Any]:
        """The node's attributes in ONNX; those that are None are left out."""
        statistics = self.statistics
        arrays = {name: getattr(statistics, name) for name in ("scale", "offset", "mask", "low", "high")}
        arrays["values"] = self.values
        return {
            "plugin_version": VERSION,
            "plugin_namespace": DOMAIN,
            "decode": self.decode,
            "horizon": self.horizon,
            "dims": self.dims,
            "rule": statistics.rule,
            "believed": float(statistics.believed),
            "first": self.first,
            **{name: _numbers(array) for name, array in arrays.items() if array is not None},
        }


def append_decode(model: onnx.ModelProto, node: DecodeNode) -> onnx.ModelProto:
    """Return a copy of the model with two more outputs, `DecodeNode.made`.

    They are named like the decoded output, with `.actions` and `.verdicts` behind it.

    Raises:
        GraphRefused: the model has no such output, or it has another dtype or shape than the node reads.
    """
    import onnx
    from onnx import TensorProto, helper

    found = {output.name: output.type.tensor_type for output in model.graph.output}
    if node.output not in found:
        raise refused(node, f"it is none of the graph's outputs, {', '.join(found)}")
    if node.output + ACTIONS in found:
        raise refused(node, "the graph decodes it already")
    tensor = found[node.output]
    dtype = TensorProto.DataType.Name(tensor.elem_type).lower()
    node.check({"float": "float32"}.get(dtype, dtype), [dimension.dim_value for dimension in tensor.shape.dim])
    appended = onnx.ModelProto()
    appended.CopyFrom(model)
    names, kinds = [tensor.name for tensor in node.made], (TensorProto.FLOAT, TensorProto.INT32)
    appended.graph.node.append(
        helper.make_node(OPERATOR, [node.output], names, name=names[0], domain=DOMAIN, **node.attributes())
    )
    appended.graph.output.extend(
        helper.make_tensor_value_info(tensor.name, kind, tensor.shape)
        for tensor, kind in zip(node.made, kinds, strict=True)
    )
    if all(known.domain != DOMAIN for known in appended.opset_import):
        appended.opset_import.append(helper.make_opsetid(DOMAIN, int(VERSION)))
    return appended


def refused(node: DecodeNode, why: str) -> GraphRefused:
    """Return the error for an output that cannot be decoded; `why` begins with "it" or "the graph"."""
    return GraphRefused(f"{node.output} cannot be decoded on the device: {why}", fix="export it as policy.yaml says")


def _numbers(array: NDArray[Any]) -> list[int] | list[float]:
    numbers: list[int] | list[float] = array.astype(np.int32 if array.dtype == bool else np.float32).tolist()
    return numbers
