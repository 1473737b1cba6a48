"""The graphs of a policy: one, or a prefix and a step; and policies around changed copies of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgevla.bundle import Bundle
from edgevla.engine.load import open_graph
from edgevla.engine.recurrent import RecurrentEngine
from edgevla.engine.verified import graphs
from edgevla.policy.autoregress import AutoregressiveEngine
from edgevla.policy.engines import load_engine
from edgevla.policy.iterate import DenoisingEngine
from edgevla.policy.policy import Policy
from edgevla.quantize.feeds import Listener

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgevla.engine.base import Engine

GRAPH, STEP = "graphs", "steps"  # as in policy.yaml
REFERENCE = "fp32"
_CANDIDATE = "candidate"


def graphs_of(bundle: Bundle, variant: str = REFERENCE) -> dict[str, Path]:
    """The files of a variant's graphs, by their part: `graphs`, and `steps` where the policy iterates.

    Raises:
        BundleError: the bundle has no such variant.
    """
    return dict(zip((GRAPH, STEP), graphs(bundle, variant), strict=False))


def policy_around(bundle: Bundle, files: Mapping[str, Path]) -> Policy:
    """The bundle's policy with other graphs, which need not lie in it: preprocessing, decoder and loop stay.

    Args:
        files: for each part of `graphs_of`.

    Raises:
        EngineError: a graph cannot be run, or does not fit policy.yaml.
    """
    manifest = bundle.manifest
    places = {part: {_CANDIDATE: str(path.resolve())} for part, path in files.items()}  # folder / absolute = absolute
    listed = manifest.files | {place[_CANDIDATE]: "" for place in places.values()}
    candidate = Bundle(bundle.folder, msgspec.structs.replace(manifest, files=listed, **places))
    return Policy(candidate, load_engine(candidate, _CANDIDATE))


def listening_policy(bundle: Bundle) -> tuple[Policy, dict[str, Listener]]:
    """The float policy, and in front of each of its graphs a listener.

    Raises:
        EngineError: a graph cannot be run, or does not fit policy.yaml.
    """
    manifest, paths = bundle.manifest, graphs_of(bundle)
    listeners = {part: Listener(open_graph(manifest, path)) for part, path in paths.items()}
    engine: Engine = listeners[GRAPH]
    if STEP in paths:
        loop = AutoregressiveEngine if manifest.flow is None and manifest.diffusion is None else DenoisingEngine
        engine = loop(manifest, listeners[GRAPH], listeners[STEP], paths[STEP])
    elif manifest.recurrent is not None:
        engine = RecurrentEngine(listeners[GRAPH], manifest.recurrent, paths[GRAPH])
        engine.reset()
    return Policy(bundle, engine), listeners
