"""Whether what is about to run is what somebody has verified."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from edgevla.config.policy_checks import MANIFEST
from edgevla.engine.cache import SIGNOFF, EngineCache
from edgevla.engine.fingerprint import Fingerprint
from edgevla.engine.graph import GraphFacts, file_sha256, read_graph
from edgevla.engine.load import TARGETS
from edgevla.engine.optional import member
from edgevla.engine.processors import processor
from edgevla.engine.signoff import require
from edgevla.plugins import find

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.engine.decoding import Decoding
    from edgevla.engine.records import Signoff

GROUP = "edgevla.engines"
REFERENCE = ("fp32", "cpu")  # variant and target that the others are compared with; it needs no signature


def require_verified(
    bundle: Bundle,
    variant: str,
    target: str,
    cache: EngineCache | None = None,
    *,
    decoding: Decoding | None = None,
) -> Signoff | None:
    """Check that a variant was verified on this machine, as it is now.

    Args:
        decoding: of the bundle, on TensorRT.

    Returns:
        The signature; None for the reference itself.

    Raises:
        EngineUnverified: it was not; the message says what changed since.
        PluginUnknown: there is no such engine.
        EngineMissing: the target is not available.
        GraphRefused: a graph is broken or missing.
    """
    if (variant, target) == REFERENCE:
        return None
    engines = fingerprints(graphs(bundle, variant), target, decoding)
    name = f"{bundle.folder} {variant} on {target}"
    return require(signoff_path(engines, cache), engines, file_sha256(bundle.folder / MANIFEST), name)


def graphs(bundle: Bundle, variant: str) -> list[Path]:
    """The graphs that make up a variant.

    Raises:
        BundleError: the bundle has no such variant.
    """
    step = bundle.step(variant)
    return [bundle.graph(variant)] if step is None else [bundle.graph(variant), step]


def signoff_path(engines: Sequence[Fingerprint], cache: EngineCache | None = None) -> Path:
    """Where the signature of a variant lies: beside the engine of its first graph."""
    return (cache or EngineCache()).folder(engines[0]) / SIGNOFF


def fingerprints(paths: Sequence[Path], target: str, decoding: Decoding | None = None) -> tuple[Fingerprint, ...]:
    """What a target would run, graph by graph.

    Raises:
        PluginUnknown: there is no such engine.
        EngineMissing: the target is not available.
        GraphRefused: a graph is broken or missing.
    """
    return tuple(_fingerprint(read_graph(path), target, decoding) for path in paths)


def _fingerprint(graph: GraphFacts, target: str, decoding: Decoding | None) -> Fingerprint:
    found: Fingerprint
    if target in {"cpu", "cuda"}:
        ort_build = member("ort_build")
        found = ort_build.fingerprint(graph, ort_build.CPU if target == "cpu" else ort_build.CUDA)
    elif target == "tensorrt":
        found = member("tensorrt_engine").fingerprint(graph, member("cuda_pycuda").describe(), decoding)
    elif target.partition(":")[0] == "triton":
        found = member("triton").fingerprint(graph, target.partition(":")[2])
    else:
        found = Fingerprint(
            graph=graph.sha256(),
            plugin="",
            runtime=_package(target.partition(":")[0]),
            device=processor(),
            compute_capability="",
            cuda="",
            flags=(target,),
        )
    return found


def _package(name: str) -> str:
    """The package that offers an engine, and its version: all that can be told of what runs there."""
    find(GROUP, TARGETS, name)
    point = next(iter(entry_points(group=GROUP, name=name)))
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
