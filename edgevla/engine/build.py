"""From a graph to an engine in the cache: checked first, built once, never half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgevla.engine.cache import Built, EngineDamaged
from edgevla.engine.graph import read_graph

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.engine.cache import EngineCache
    from edgevla.engine.fingerprint import Fingerprint
    from edgevla.engine.graph import GraphFacts
    from edgevla.engine.records import Record


class Compiler(Protocol):
    """What builds engines for one runtime on this machine."""

    def fingerprint(self, graph: GraphFacts) -> Fingerprint:
        """What an engine built now would depend on.

        Raises:
            GraphRefused: this machine cannot run such a graph.
        """
        ...

    def compile(self, graph: GraphFacts, wanted: Fingerprint, folder: Path) -> Record:
        """Build into an empty folder and describe what was built; on any error nothing in it counts."""
        ...


def build(path: Path, compiler: Compiler, cache: EngineCache, *, force: bool = False) -> tuple[Built, bool]:
    """Build the engine of a graph, unless it lies in the cache.

    Args:
        force: build even then.

    Returns:
        The engine, and whether it was built now.

    Raises:
        GraphRefused: the graph is broken, or this machine cannot run it.
        EngineError: it cannot be built; an engine built earlier is as it was.
    """
    graph = read_graph(path)
    wanted = compiler.fingerprint(graph)
    if not force:
        try:
            found = cache.find(wanted)
        except EngineDamaged:
            found = None  # built anew, which replaces it
        if found is not None:
            return found, False
    return cache.build(wanted, lambda folder: compiler.compile(graph, wanted, folder)), True
