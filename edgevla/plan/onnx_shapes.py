"""The shape of every tensor of an ONNX graph, however large its weights: they are dropped, or not read at all."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.plan.errors import PlanRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

_BRANCHES = {"If", "Loop", "Scan"}
_STANDARD = {"", "ai.onnx", "com.microsoft"}
SMALL = 1024  # numbers; larger constants fix no shape


def load_shapes(path: Path) -> onnx.ModelProto:
    """Read a graph and infer the shape of every tensor, as far as it is static.

    Raises:
        PlanRefused: not an ONNX graph, a node chooses at run time what it does, or inference fails.
    """
    model = _load(path)
    _refuse_branches(model.graph, path)
    large = _set_aside(model.graph, path)
    _cut_off_plugins(model.graph)
    _fold_sizes(model)
    inferred = _infer(model, path)
    inferred.graph.initializer.extend(large)
    return inferred


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise PlanRefused(f"{path}: cannot be read: {error.strerror}", fix="check the path") from None
    except Exception as error:  # protobuf has its own kinds
        raise PlanRefused(f"{path}: is not an ONNX graph: {_first_line(error)}", fix="export the graph again") from None
    if not model.graph.node:
        raise PlanRefused(f"{path}: is not an ONNX graph: it has no nodes", fix="export the graph again")
    return model


def _refuse_branches(graph: onnx.GraphProto, path: Path) -> None:
    for node in graph.node:
        if node.op_type in _BRANCHES:
            raise PlanRefused(
                f"{path}: node {node.name} is a {node.op_type}: how often it runs shows only at run time",
                fix="export one pass, and the step of a loop as a graph of its own",
            )


def _set_aside(graph: onnx.GraphProto, path: Path) -> list[onnx.TensorProto]:
    """Turn large constants into inputs of the same shape, so that nobody asks for their numbers, and return them empty.

    A small one may fix a shape, so it is worth its few bytes; one that is missing is left unknown.
    """
    from onnx import TensorProto, external_data_helper, helper

    large = []
    for tensor in list(graph.initializer):
        if math.prod(tensor.dims) > SMALL:
            graph.initializer.remove(tensor)
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
            large.append(TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))
        elif tensor.data_location == TensorProto.EXTERNAL:
            with contextlib.suppress(OSError, ValueError):
                external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
                tensor.data_location = TensorProto.DEFAULT
                del tensor.external_data[:]
    return large


def _cut_off_plugins(graph: onnx.GraphProto) -> None:
    """Take operators of other domains out: nothing is known of their work, and they end a network, as a decoder does.

    What one of them makes is an input from here on, of the shape that the file states.
    """
    plugins = [node for node in graph.node if node.domain not in _STANDARD]
    if not plugins:
        return
    made = {name for node in plugins for name in node.output}
    taken = {name for node in plugins for name in node.input}
    stated = [value for value in (*graph.value_info, *graph.output) if value.name in made]
    ends = [value for value in graph.output if value.name not in made]
    for node in plugins:
        graph.node.remove(node)
    graph.input.extend(stated)
    del graph.output[:]
    graph.output.extend(ends)
    for name in sorted(taken & {name for node in graph.node for name in node.output}):
        graph.output.add().name = name


def _fold_sizes(model: onnx.ModelProto) -> None:
    """Replace what is computed from small whole numbers alone: exporters do so, and inference knows few operators."""
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    graph = model.graph
    numbers = {tensor.name: tensor for tensor in graph.initializer}
    numbers |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    known = {
        name: numpy_helper.to_array(tensor)
        for name, tensor in numbers.items()
        if tensor.data_type == onnx.TensorProto.INT64 and tensor.data_location == onnx.TensorProto.DEFAULT
    }
    for node in list(graph.node):
        if not node.input or not all(name in known for name in node.input):
            continue
        ends = [onnx.ValueInfoProto(name=name) for name in node.output]
        alone = onnx.helper.make_graph([node], "alone", [onnx.ValueInfoProto(name=name) for name in node.input], ends)
        evaluator = ReferenceEvaluator(onnx.helper.make_model(alone, opset_imports=model.opset_import))
        found = evaluator.run(None, {name: known[name] for name in node.input})
        known |= dict(zip(node.output, found, strict=True))
        graph.initializer.extend(numpy_helper.from_array(known[name], name) for name in node.output)
        graph.node.remove(node)


def _infer(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

    fix = "export the graph with fixed sizes, in standard operators"
    try:
        with _elsewhere():
            inferred: onnx.ModelProto | None = SymbolicShapeInference.infer_shapes(model, auto_merge=True)
    except Exception as error:  # it raises whatever its parts raise
        why = _first_line(error)
        raise PlanRefused(f"{path}: the shapes of its tensors cannot be inferred: {why}", fix=fix) from error
    if inferred is None:
        raise PlanRefused(f"{path}: the shapes of its tensors cannot be inferred: its opset is too old", fix=fix)
    return inferred


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Work in a folder that is thrown away: what cannot be inferred, onnxruntime writes into the current one."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
