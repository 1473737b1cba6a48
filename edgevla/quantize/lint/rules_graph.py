"""Rules about the graph as a whole; they hold for float graphs too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import external_data_helper

from edgevla.quantize.graph import OLDEST_OPSET, free_dimensions, is_external
from edgevla.quantize.layers import name_of
from edgevla.quantize.lint.finding import Rule

if TYPE_CHECKING:
    from edgevla.quantize.lint.finding import Places
    from edgevla.quantize.lint.view import View

NEWEST_OPSET = 20  # of the parser in TensorRT 10.3, which most Jetsons have
_OUR_PLUGINS = "edgevla"


def _free(view: View) -> Places:
    for value in view.graph.inputs:
        if shape := free_dimensions(value):
            yield value.name, f"has the shape [{', '.join(shape)}]"


def _opset(view: View) -> Places:
    if not OLDEST_OPSET <= view.graph.opset <= NEWEST_OPSET:
        yield view.graph.path.name, f"is of opset {view.graph.opset}"


def _outside(view: View) -> Places:
    folder = view.graph.path.parent
    for tensor in view.graph.tensors():
        if not is_external(tensor):
            continue
        info = external_data_helper.ExternalDataInfo(tensor)
        place = folder / info.location
        if not place.resolve().is_relative_to(folder.resolve()):
            yield tensor.name, f"lies outside the graph's folder, in {info.location}"
        elif not place.is_file():
            yield tensor.name, f"lies in {info.location}, which is missing"
        elif (info.offset or 0) + (info.length or 0) > place.stat().st_size:
            yield tensor.name, f"ends behind the end of {info.location}"


def _foreign(view: View) -> Places:
    for node in view.graph.graph.node:
        if node.domain not in {"", "ai.onnx", _OUR_PLUGINS}:
            yield name_of(node), f"is a {node.domain}.{node.op_type}"


RULES = (
    Rule("static-shapes", "the engine is built for one shape", "export with fixed shapes, batch 1", _free),
    Rule(
        "opset",
        "Q/DQ per channel begins with opset 13, and TensorRT 10.3 reads up to 20",
        "export with opset 17",
        _opset,
    ),
    Rule("external-data", "the weights cannot be read", "put the file of weights beside the graph", _outside),
    Rule(
        "standard-operators", "TensorRT has no such operator", "export without onnxruntime's fused operators", _foreign
    ),
)
