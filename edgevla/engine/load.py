"""From a bundle's graph to an engine that matches its manifest and has run once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.engine.base import Engine, EngineMissing, GraphRefused, Tensor, warm_up
from edgevla.plugins import find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edgevla.bundle import Manifest


def cpu(path: Path) -> Engine:
    """onnxruntime on the CPU."""
    return onnxruntime(path, "CPUExecutionProvider")


def cuda(path: Path) -> Engine:
    """onnxruntime on a CUDA device; for a Jetson, TensorRT is the faster way."""
    return onnxruntime(path, "CUDAExecutionProvider")


def onnxruntime(path: Path, provider: str) -> Engine:
    """Load `path` with onnxruntime, which a machine with TensorRT need not have."""
    try:
        from edgevla.engine.ort import OrtEngine
    except ImportError as error:
        raise EngineMissing(f"onnxruntime cannot be imported: {error}", fix="pip install 'edgevla[cpu]'") from error
    return OrtEngine(path, provider)


TARGETS: Mapping[str, Callable[[Path], Engine]] = {"cpu": cpu, "cuda": cuda}


def load(manifest: Manifest, path: Path, target: str = "cpu") -> Engine:
    """Load the graph at `path` for `target`; other packages add targets by the entry point group `edgevla.engines`.

    Raises:
        PluginUnknown: no such target.
        EngineMissing: the target cannot run on this machine. It is never replaced by a slower one.
        GraphRefused: the graph is broken, has free dimensions, does not match the manifest, or needs unlisted files.
        EngineFailed: the graph cannot be run, even on zeros.
    """
    check_external_data(manifest, path)
    engine = find("edgevla.engines", TARGETS, target)(path)
    try:
        check_against(manifest, engine, path)
        warm_up(engine)
    except BaseException:
        engine.close()
        raise
    return engine


def check_external_data(manifest: Manifest, path: Path) -> None:
    """Weights may lie beside the graph, but only in files that policy.yaml lists: those are checked by their hash.

    Raises:
        GraphRefused: the graph cannot be read, or refers to a file that is not listed.
    """
    import onnx

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:  # protobuf and onnx raise their own kinds
        raise GraphRefused(f"{path}: not an ONNX graph: {error}", fix="export the graph again") from error
    entries = (entry for tensor in graph.initializer for entry in tensor.external_data)
    for location in sorted({entry.value for entry in entries if entry.key == "location"}):
        if location not in manifest.files:
            raise GraphRefused(
                f'{path}: refers to weights in "{location}", which policy.yaml does not list',
                fix="list it under files, with its sha256, or export the graph with its weights inside",
            )


def check_against(manifest: Manifest, engine: Engine, path: Path) -> None:
    """Compare the engine's tensors with policy.yaml: same inputs, and the action output among the outputs.

    Raises:
        GraphRefused: they differ; the message quotes both sides.
    """
    promised = [Tensor(spec.name, spec.dtype, spec.shape) for spec in manifest.inputs]
    if set(promised) != set(engine.inputs):
        raise _mismatch(path, "inputs", promised, engine.inputs)
    action = manifest.action
    output = Tensor(action.output, "float32", (1, action.horizon, len(action.names)))
    if output not in engine.outputs:
        raise _mismatch(path, "output", [output], engine.outputs)


def _mismatch(path: Path, what: str, promised: Sequence[Tensor], found: Sequence[Tensor]) -> GraphRefused:
    sides = (", ".join(map(str, tensors)) for tensors in (promised, found))
    return GraphRefused(
        "{}: policy.yaml promises the {} {}, the graph has {}".format(path, what, *sides),
        fix="export the graph and policy.yaml together",
    )
