"""From a variant of a bundle to the one engine that its decoder reads: a graph, a graph with a memory, or a loop."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgevla.engine.base import warm_up
from edgevla.engine.load import check_against, load, open_graph
from edgevla.engine.recurrent import RecurrentEngine
from edgevla.policy.autoregress import AutoregressiveEngine
from edgevla.policy.decode.fused import is_captured
from edgevla.policy.iterate import DenoisingEngine

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.bundle import Bundle, Manifest
    from edgevla.engine.base import Engine


def load_engine(bundle: Bundle, variant: str, target: str = "cpu") -> Engine:
    """Load what runs a variant on a target. It has run when this returns; what it remembers of that, `Policy` resets.

    Raises:
        BundleError: the bundle has no such variant.
        EngineError: the target cannot run a graph, or the graphs do not match each other or policy.yaml.
        PluginUnknown: no such target.
    """
    manifest, path, step_path = bundle.manifest, bundle.graph(variant), bundle.step(variant)
    if step_path is not None:
        engine = _loop(manifest, path, step_path, target)
    elif manifest.recurrent is not None:
        engine = _remembering(manifest, path, target)
    elif target == "tensorrt":
        from edgevla.policy.captured import open_one_pass

        engine = open_one_pass(manifest, path)
    else:
        return load(manifest, path, target)
    try:
        warm_up(engine)
    except BaseException:
        engine.close()
        raise
    return engine


def _loop(manifest: Manifest, path: Path, step_path: Path, target: str) -> Engine:
    if target == "tensorrt" and is_captured(manifest):
        from edgevla.policy.captured import open_captured

        return open_captured(manifest, path, step_path)
    denoises = manifest.flow is not None or manifest.diffusion is not None
    loop = DenoisingEngine if denoises else AutoregressiveEngine
    with ExitStack() as opened:
        prefix = open_graph(manifest, path, target)
        opened.callback(prefix.close)
        step = open_graph(manifest, step_path, target)
        opened.callback(step.close)
        engine = loop(manifest, prefix, step, step_path)
        opened.pop_all()
    return engine


def _remembering(manifest: Manifest, path: Path, target: str) -> Engine:
    assert manifest.recurrent is not None, "the caller has looked"
    with ExitStack() as opened:
        graph = open_graph(manifest, path, target)
        opened.callback(graph.close)
        engine = RecurrentEngine(graph, manifest.recurrent, path)
        check_against(manifest, engine, path)
        opened.pop_all()
    return engine
