"""What holds for every pair of a prefix graph, which runs once, and a step graph, which runs again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.engine.base import GraphRefused, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgevla.bundle import Manifest
    from edgevla.engine.base import Engine


def promised_inputs(manifest: Manifest) -> tuple[Tensor, ...]:
    """Return what policy.yaml says that the policy is given."""
    return tuple(Tensor(spec.name, spec.dtype, spec.shape) for spec in manifest.inputs)


def check_sources(promised: Sequence[Tensor], prefix: Engine, step: Engine, fed: Sequence[Tensor], path: Path) -> None:
    """Check that each tensor a graph takes is given by somebody, and each of policy.yaml taken by one.

    Args:
        fed: what the loop gives the step graph.
        path: of the step graph, for messages.

    Raises:
        GraphRefused: one is not.
    """
    sources = (*promised, *prefix.outputs, *fed)
    for tensor in step.inputs:
        if tensor not in sources:
            names = ", ".join(tensor.name for tensor in fed)
            raise mismatch(path, f"must take, besides {names}, only what the prefix and the policy give", [tensor])
    used = {tensor for engine in (prefix, step) for tensor in engine.inputs}
    if not set(prefix.inputs) <= set(promised) or not set(promised) <= used:
        raise mismatch(
            path, f"must take, with its prefix, the inputs of policy.yaml, {listed(promised)}", prefix.inputs
        )


def mismatch(path: Path, must: str, found: Sequence[Tensor]) -> GraphRefused:
    """Return the error for graphs that do not fit; `must` goes on from "the step graph"."""
    return GraphRefused(
        f"{path}: the step graph {must}; found {listed(found)}", fix="export the graphs and policy.yaml together"
    )


def listed(tensors: Sequence[Tensor]) -> str:
    """Return tensors as messages name them."""
    return ", ".join(map(str, tensors))
