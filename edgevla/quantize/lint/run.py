"""All rules over one graph, or over the graphs of a bundle that TensorRT is meant to build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.quantize.graph import Graph
from edgevla.quantize.lint import rules_attention, rules_graph, rules_qdq
from edgevla.quantize.lint.finding import Finding
from edgevla.quantize.lint.view import View

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.quantize.lint.finding import Rule

FOR_A_CPU = "-cpu"  # ends the names of variants that are never built by TensorRT
RULES = (*rules_graph.RULES, *rules_qdq.RULES, *rules_attention.RULES)


def lint(path: Path, rules: tuple[Rule, ...] = RULES) -> tuple[Finding, ...]:
    """Check one graph.

    Raises:
        GraphUnfit: it cannot be read at all.
    """
    view = View(Graph(path))
    return tuple(
        Finding(rule=rule.name, node=node, what=what, why=rule.why, fix=rule.fix)
        for rule in rules
        for node, what in rule.broken(view)
    )


def lint_bundle(bundle: Bundle) -> dict[str, tuple[Finding, ...]]:
    """Check every graph of a bundle but those for a CPU, by file.

    Raises:
        GraphUnfit: a graph cannot be read at all.
    """
    manifest = bundle.manifest
    files = {
        file: bundle.path(file)
        for graphs in (manifest.graphs, manifest.steps)
        for variant, file in graphs.items()
        if not variant.endswith(FOR_A_CPU)
    }
    return {file: lint(path) for file, path in files.items()}
