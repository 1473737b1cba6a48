"""From a bundle's graph to an engine that matches its manifest and has run once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgevla.engine.base import Engine, EngineMissing, GraphRefused, Tensor, warm_up
from edgevla.engine.cache import EngineCache
from edgevla.engine.decode_node import ACTIONS
from edgevla.engine.graph import read_graph
from edgevla.engine.optional import member
from edgevla.plugins import find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edgevla.bundle import Manifest
    from edgevla.engine.cuda import Cuda


def cpu(path: Path) -> Engine:
    """onnxruntime on the CPU."""
    return onnxruntime(path, "CPUExecutionProvider")


def cuda(path: Path) -> Engine:
    """onnxruntime on a CUDA device; for a Jetson, TensorRT is the faster way."""
    return onnxruntime(path, "CUDAExecutionProvider")


def onnxruntime(path: Path, provider: str) -> Engine:
    """Load `path` with onnxruntime, which a machine with TensorRT need not have."""
    engine: Engine = member("ort").OrtEngine(path, provider)
    return engine


def tensorrt(path: Path) -> Engine:
    """The engine that `edgevla build` made from `path` on this device."""
    tensorrt_engine = member("tensorrt_engine")
    cuda: Cuda = member("cuda_pycuda").PyCuda()
    try:
        engine: Engine = tensorrt_engine.open_engine(path, cuda, EngineCache())
    except BaseException:
        cuda.close()
        raise
    return engine


def triton(path: Path, address: str = "") -> Engine:
    """A Triton inference server: `path` stays here, and its name is the model's unless the address names one."""
    engine: Engine = member("triton").open_server(address, path.stem)
    return engine


TARGETS: Mapping[str, Callable[..., Engine]] = {"cpu": cpu, "cuda": cuda, "tensorrt": tensorrt, "triton": triton}
_ADDRESSED = {"triton"}
_LANGUAGE = {"tokens", "fast"}  # ids or logits, whose shape the decoder compares in the rehearsal


def load(manifest: Manifest, path: Path, target: str = "cpu") -> Engine:
    """Load the graph at `path` for `target`; other packages add targets by the entry point group `edgevla.engines`.

    Raises:
        PluginUnknown: no such target.
        EngineMissing: the target cannot run on this machine. It is never replaced by a slower one.
        GraphRefused: the graph is broken, has free dimensions, does not match the manifest, or needs unlisted files.
        EngineFailed: the graph cannot be run, even on zeros.
    """
    engine = open_graph(manifest, path, target)
    try:
        check_against(manifest, engine, path)
        warm_up(engine)
    except BaseException:
        engine.close()
        raise
    return engine


def open_graph(manifest: Manifest, path: Path, target: str = "cpu") -> Engine:
    """Open one graph of a bundle, which may be only a part of its policy: nothing is compared, nothing has run.

    Args:
        target: a name, or a name and where to find it, `triton:127.0.0.1:8001/model`.

    Raises:
        PluginUnknown: no such target.
        EngineMissing: the target cannot run on this machine.
        GraphRefused: the graph is broken, has free dimensions, or needs files that policy.yaml does not list.
    """
    check_external_data(manifest, path)
    name, _, where = target.partition(":")
    factory = find("edgevla.engines", TARGETS, name)
    if not where:
        return factory(path)
    if name in TARGETS and name not in _ADDRESSED:
        raise EngineMissing(f'the target "{target}" is not known', fix=f'"{name}" stands alone, without ":{where}"')
    return factory(path, where)


def check_external_data(manifest: Manifest, path: Path) -> None:
    """Weights may lie beside the graph, but only in files that policy.yaml lists: those are checked by their hash.

    Raises:
        GraphRefused: the graph cannot be read, or refers to a file that is not listed.
    """
    for location in read_graph(path).external:
        if location not in manifest.files:
            raise GraphRefused(
                f'{path}: refers to weights in "{location}", which policy.yaml does not list',
                fix="list it under files, with its sha256, or export the graph with its weights inside",
            )


def check_against(manifest: Manifest, engine: Engine, path: Path) -> None:
    """Compare the engine's tensors with policy.yaml: same inputs, and the action output, or what it has been decoded
    to, among the outputs.

    Raises:
        GraphRefused: they differ; the message quotes both sides.
    """
    promised = [Tensor(spec.name, spec.dtype, spec.shape) for spec in manifest.inputs]
    if set(promised) != set(engine.inputs):
        raise _mismatch(path, "inputs", promised, engine.inputs)
    action = manifest.action
    output = Tensor(action.output, "float32", (1, action.horizon, len(action.names)))
    fits = output in engine.outputs or replace(output, name=action.output + ACTIONS) in engine.outputs
    if manifest.family in _LANGUAGE:
        fits |= action.output in [tensor.name for tensor in engine.outputs]
    if not fits:
        raise _mismatch(path, "output", [output], engine.outputs)


def _mismatch(path: Path, what: str, promised: Sequence[Tensor], found: Sequence[Tensor]) -> GraphRefused:
    sides = (", ".join(map(str, tensors)) for tensors in (promised, found))
    return GraphRefused(
        "{}: policy.yaml promises the {} {}, the graph has {}".format(path, what, *sides),
        fix="export the graph and policy.yaml together",
    )
