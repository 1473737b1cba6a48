"""`edgevla build --target triton`: a bundle's graphs as models of a server, for a policy too large for its robot."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from edgevla.commands.options import one_of
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.engine.triton_repository import Backend

TRITON = "triton"


def build_repository(bundle: Bundle, variant: str, out: Path, backend: str, json: Path | None) -> None:
    """Write every graph of a variant into the repository `out`, and say how the robot asks for it.

    Args:
        backend: what the server runs graphs with, of `edgevla.engine.triton_repository.BACKENDS`.

    Raises:
        UsageError: an unknown backend.
        BundleError: the bundle has no such variant.
        EngineError: a graph is broken, or the repository cannot be written or holds another model of that name.
    """
    from edgevla.engine.triton_repository import BACKENDS, write_model
    from edgevla.engine.verified import graphs
    from edgevla.runtime.report import envelope, now, write_json

    one_of("--backend", backend, BACKENDS)
    started = now()
    written = [(graph, *write_model(graph, out, cast("Backend", backend))) for graph in graphs(bundle, variant)]
    print_table(
        f"{bundle.manifest.name} for {TRITON}",
        [
            {
                "graph": graph.name,
                "model": version.parent.name,
                "version": version.name,
                "folder": version,
                "from": "written now" if new else "there already",
            }
            for graph, version, new in written
        ],
    )
    console.print(
        f"tritonserver --model-repository {out.resolve()}, then on the robot: edgevla verify {bundle.folder} "
        f"--observations SET --variant {variant} --target triton:HOST:8001",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if json is not None:
        engines = [{"graph": str(graph), "engine": str(version), "new": new} for graph, version, new in written]
        results = {"target": TRITON, "variant": variant, "backend": backend, "engines": engines}
        write_json(json, envelope("build", started, results))
