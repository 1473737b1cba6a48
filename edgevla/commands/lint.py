"""`edgevla lint`: what TensorRT will not take, or what ruins the numbers, before an engine is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edgevla.commands.options import Json, NotReached
from edgevla.tables import console


def lint(
    path: Annotated[Path, typer.Argument(help="a .onnx file, a bundle's folder, or the name of a shipped bundle")],
    json: Json = None,
) -> None:
    """Check the Q/DQ of a graph, or of every graph of a bundle that TensorRT builds. Exit code 1 with findings."""
    from rich.markup import escape

    from edgevla.bundle import load_manifest
    from edgevla.quantize.lint.run import RULES, lint, lint_bundle
    from edgevla.runtime.report import envelope, now, write_json
    from edgevla.shipped import shipped

    started = now()
    if path.suffix == ".onnx":
        found = {path.name: lint(path)}
    else:
        found = lint_bundle(load_manifest(path if path.exists() else shipped(str(path))))
    for file, findings in found.items():
        for finding in findings:
            console.print(f"[red]{escape(file)}[/]: {escape(str(finding))}", highlight=False, soft_wrap=True)
    if json is not None:
        graphs = {file: [msgspec.to_builtins(each) for each in findings] for file, findings in found.items()}
        write_json(json, envelope("lint", started, {"rules": [rule.name for rule in RULES], "graphs": graphs}))
    count = sum(map(len, found.values()))
    if count:
        raise NotReached(f"{count} findings in {', '.join(file for file, each in found.items() if each)}")
    console.print(f"{', '.join(found)}: {len(RULES)} rules, no findings")
