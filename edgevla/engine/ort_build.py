"""What an engine on the CPU is: onnxruntime compiles while it loads, so there is no file to keep, only a record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import onnxruntime as ort

from edgevla.engine.base import warm_up
from edgevla.engine.fingerprint import Fingerprint
from edgevla.engine.ort import OrtEngine
from edgevla.engine.processors import graphics, processor
from edgevla.engine.records import Record

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.engine.graph import GraphFacts

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def fingerprint(graph: GraphFacts, provider: str = CPU) -> Fingerprint:
    """What the figures of a verification depend on: int8 kernels differ between processors, and between GPUs.

    On CUDA the device is empty where the driver does not tell it.

    Raises:
        GraphRefused: a file is missing or unreadable.
    """
    device, cuda = processor(), ""
    if provider == CUDA:
        device, driver = graphics()
        cuda = f"{getattr(ort, 'cuda_version', '')} on driver {driver}".strip()
    return Fingerprint(
        graph=graph.sha256(),
        plugin="",
        runtime=f"onnxruntime {ort.__version__}",
        device=device,
        compute_capability="",
        cuda=cuda,
        flags=(provider,),
    )


class OrtCompiler:
    """See `edgevla.engine.build.Compiler`: loads the graph and runs it on zeros, which is all there is to do."""

    def fingerprint(self, graph: GraphFacts) -> Fingerprint:
        """See `fingerprint`."""
        return fingerprint(graph)

    def compile(self, graph: GraphFacts, wanted: Fingerprint, folder: Path) -> Record:
        """Load, run, describe.

        Raises:
            GraphRefused: onnxruntime does not take it.
            EngineFailed: it cannot be run, even on zeros.
        """
        began_s = time.monotonic()
        engine = OrtEngine(graph.path)
        try:
            warm_up(engine)
        finally:
            engine.close()
        seconds = round(time.monotonic() - began_s, 1)
        note = "onnxruntime compiles while loading: nothing but this record is kept"
        return Record(fingerprint=wanted, source=str(graph.path), plan="", seconds=seconds, notes=(note,))
