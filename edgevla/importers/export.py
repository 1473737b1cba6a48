"""A torch module to an ONNX graph that every engine takes: fixed shapes, no double precision, large weights beside it.

Needs torch and onnxscript.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch

from edgevla.engine.graph import read_graph
from edgevla.importers.errors import Differs, ImportRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OPSET = 18
AGREE = 1e-4
LARGE = 1 << 30  # bytes; a protobuf file ends at 2 GiB
_REFUSED = {"DOUBLE", "BFLOAT16"}  # TensorRT and onnxruntime lack operators for them


@dataclass(frozen=True, slots=True)
class Piece:
    """One graph of a policy.

    Args:
        name: of the file, without ".onnx".
        module: what it computes, of the inputs in their order.
        inputs: name -> an example, batch 1.
        outputs: names.
    """

    name: str
    module: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    outputs: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.onnx"


def export(piece: Piece, folder: Path) -> tuple[str, ...]:
    """Write a graph into `folder`, compare it with torch on its example, and return the files it consists of.

    Raises:
        ImportRefused: it cannot be exported, or computes with numbers that engines do not have.
        Differs: onnxruntime and torch differ by more than 1e-4 of the largest number.
    """
    example, path = tuple(piece.inputs.values()), folder / piece.file
    with torch.no_grad(), _quiet():
        expected = piece.module(*example)
        try:
            program = torch.onnx.export(
                piece.module.eval(),
                example,
                input_names=list(piece.inputs),
                output_names=list(piece.outputs),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise ImportRefused(f"{piece.name}: torch {torch.__version__} cannot export it: {reason}") from error
        assert program is not None, "no file was named"
        size = sum(value.nbytes for value in piece.module.state_dict().values())
        program.save(path, external_data=size > LARGE)
    _strip(path)
    facts = read_graph(path)
    if wrong := facts.dtypes & _REFUSED:
        raise ImportRefused(f"{path.name}: computes with {', '.join(sorted(wrong))}, which engines do not have")
    _compare(piece, path, [expected] if isinstance(expected, torch.Tensor) else list(expected))
    return (piece.file, *facts.external)


def _strip(path: Path) -> None:
    """Drop what the exporter tells about the source code it came from: paths of this machine, and half of the file."""
    graph = onnx.load(path, load_external_data=False)
    del graph.metadata_props[:]
    for value in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output, graph.graph):
        del value.metadata_props[:]
    for node in graph.graph.node:
        node.doc_string = ""
    del graph.graph.value_info[:]
    onnx.save(graph, path)


def _compare(piece: Piece, path: Path, expected: list[torch.Tensor]) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(piece.outputs), {name: value.numpy() for name, value in piece.inputs.items()})
    for name, got, value in zip(piece.outputs, found, expected, strict=True):
        reference = value.numpy()
        off = float(np.abs(got - reference).max() / max(1.0, np.abs(reference).max()))
        if not off <= AGREE:
            raise Differs(
                f"{path.name}: its output {name} differs from torch's by {off:.1e} of its largest number; at most "
                f"{AGREE:.0e} is allowed",
                fix="the exporter has changed the network: use the versions in edgevla/importers/README.md",
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells its progress on stdout; what goes wrong is raised."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
