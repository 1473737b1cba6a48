"""The tensorrt member: what `edgevla build` makes for this device, and what `run` loads if it is still the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tensorrt as trt

from edgevla.engine.base import GraphRefused
from edgevla.engine.cache import PLAN
from edgevla.engine.capabilities import capabilities, check_types
from edgevla.engine.cuda_buffers import inner, visible
from edgevla.engine.cuda_engine import CudaEngine
from edgevla.engine.cuda_loop import open_loop
from edgevla.engine.decode_node import refused
from edgevla.engine.decoding import Decoding, place, prepare
from edgevla.engine.fingerprint import Fingerprint
from edgevla.engine.graph import GraphFacts, file_sha256, read_graph
from edgevla.engine.native import Library
from edgevla.engine.records import Record
from edgevla.engine.tensorrt_build import build_plan
from edgevla.engine.tensorrt_session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.engine.cache import EngineCache
    from edgevla.engine.cuda import Cuda
    from edgevla.engine.cuda_loop import LoopPlan
    from edgevla.engine.targets import Device

FLAGS = ("strongly typed", "tf32", "static shapes")


def fingerprint(graph: GraphFacts, device: Device, decoding: Decoding | None = None) -> Fingerprint:
    """What an engine for this graph, built here and now, depends on.

    The library that decodes is a part of it wherever it does, so what was verified with some kernels never runs with
    others.

    Args:
        decoding: what is decoded on the device.

    Raises:
        EngineMissing: this version of TensorRT is not supported.
        GraphRefused: a file is missing or unreadable.
    """
    capabilities(trt.__version__)
    inside = _inside(decoding)
    return Fingerprint(
        graph=graph.sha256(),
        plugin="" if decoding is None else file_sha256(decoding.library),
        runtime=f"tensorrt {trt.__version__}",
        device=device.name,
        compute_capability=".".join(map(str, device.compute_capability)),
        cuda=device.cuda,
        flags=FLAGS if inside is None else (*FLAGS, f"decodes {inside.node.digest()[:16]}"),
    )


class TensorRTCompiler:
    """Builds engines for the device of `cuda`, see `edgevla.engine.build.Compiler`.

    Args:
        decoding: what is decoded on the device; becomes a part of the engine if it is done there.
        workspace_mb: how much scratch memory a layer may use; 0 leaves it to TensorRT.
    """

    def __init__(
        self, cuda: Cuda, cache: EngineCache, *, decoding: Decoding | None = None, workspace_mb: int = 0
    ) -> None:
        self._cuda, self._cache, self._decoding, self._workspace_mb = cuda, cache, decoding, workspace_mb

    def fingerprint(self, graph: GraphFacts) -> Fingerprint:
        """See `fingerprint`; types that the GPU does not compute with are refused first."""
        device = self._cuda.device
        check_types(graph, device.compute_capability, device.name)
        return fingerprint(graph, device, self._decoding)

    def compile(self, graph: GraphFacts, wanted: Fingerprint, folder: Path) -> Record:
        """Build into an empty folder, with the timings of earlier builds for this device and version."""
        name = f"{wanted.runtime}-{wanted.device}-{wanted.compute_capability}".replace(" ", "-").replace("/", "-")
        began_s = time.monotonic()
        with self._cache.timing_cache(name) as timing:
            warnings = build_plan(
                graph.path,
                folder / PLAN,
                decoding=_inside(self._decoding),
                timing=timing,
                workspace_mb=self._workspace_mb,
            )
        seconds = time.monotonic() - began_s
        return Record(
            fingerprint=wanted,
            source=str(graph.path),
            plan=file_sha256(folder / PLAN),
            seconds=round(seconds, 1),
            notes=warnings,
        )


def open_engine(path: Path, cuda: Cuda, cache: EngineCache, decoding: Decoding | None = None) -> CudaEngine:
    """Load what was built from the graph at `path`, if it was built for exactly this machine.

    Args:
        decoding: what is decoded on the device, where it stays; the engine gives `DecodeNode.made` instead.

    Raises:
        GraphRefused: nothing was built for it here, or only for something else; the message says what changed.
        EngineDamaged: what was built is not what lies there.
        EngineMissing: the kernels are of another version.
    """
    inside = _inside(decoding)
    plan = find_plan(read_graph(path), cuda.device, cache, decoding)
    session = Session(plan, None if inside is None else inside.library)
    session.use_scratch(cuda.allocate(max(session.scratch_bytes, 1)))
    inputs = [visible(cuda, tensor) for tensor in session.inputs]
    decoded = None if decoding is None else decoding.node.output
    outputs = [(inner if tensor.name == decoded else visible)(cuda, tensor) for tensor in session.outputs]
    for buffer in (*inputs, *outputs):
        session.bind(buffer.tensor.name, buffer.address)
    behind = []
    if decoding is not None and inside is None:
        network = next((buffer for buffer in outputs if buffer.tensor.name == decoded), None)
        if network is None:
            raise refused(decoding.node, f"it is none of the graph's outputs, {', '.join(map(str, session.outputs))}")
        call, made = prepare(cuda, Library(decoding.library), decoding.node, network)
        behind.append(call)
        outputs += made

    def work() -> None:
        session.enqueue(cuda.stream)
        for call in behind:
            call()

    shown = [buffer for buffer in outputs if buffer.host is not None]
    return CudaEngine(cuda, inputs, shown, work, f"TensorRT {trt.__version__}, decodes {place(decoding)}")


def open_denoiser(
    prefix: Path, step: Path, plan: LoopPlan, kernels: Library, cuda: Cuda, cache: EngineCache
) -> CudaEngine:
    """Load the two engines of a policy that denoises, as one graph with the loop between them.

    Raises:
        GraphRefused: one was not built here, or they do not fit each other.
        EngineDamaged: what was built is not what lies there.
    """
    decoding = Decoding(plan.decode, kernels.path)
    first, again = (Session(find_plan(read_graph(path), cuda.device, cache, decoding)) for path in (prefix, step))
    return open_loop(cuda, first, again, plan, kernels, f"TensorRT {trt.__version__}, decodes {place(decoding)}")


def find_plan(graph: GraphFacts, device: Device, cache: EngineCache, decoding: Decoding | None = None) -> Path:
    """The plan built from a graph for this device and this TensorRT.

    Raises:
        GraphRefused: there is none; the message says what there is instead.
        EngineDamaged: what was built is not what lies there.
    """
    wanted = fingerprint(graph, device, decoding)
    built = cache.find(wanted)
    if built is None:
        others = [wanted.differences(other) for other in cache.others(wanted.graph)]
        why = f"it was, and since then {others[-1]}" if others else f"nothing in {cache.root}"
        raise GraphRefused(f"{graph.path}: no TensorRT engine was built for it: {why}", fix="run edgevla build")
    return built.plan


def _inside(decoding: Decoding | None) -> Decoding | None:
    """What becomes a part of the engine."""
    return decoding if decoding is not None and decoding.is_inside else None
