"""What `edgevla plan` says: plain rows for tables, and the published comparison in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevla.plan.published import EFFICIENCY, WITHIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.plan.published import Verdict
    from edgevla.plan.verdict import Option

Row = dict[str, Any]


def option_rows(found: Sequence[Option]) -> list[Row]:
    """One row a precision."""
    return [
        {
            "precision": option.precision,
            "ms a chunk": f"{option.estimate.ms:.3g}",
            "likely": "{:.3g} .. {:.3g}".format(*option.span_ms),
            "chunks/s": f"{option.rate_hz:.1f}",
            "memory, MB": f"{option.estimate.memory_mb:.0f} of {option.memory_budget_mb:.0f}",
            "": option.verdict,
        }
        for option in found
    ]


def share_rows(option: Option) -> list[Row]:
    """One row a component."""
    return [
        {
            "component": share.component,
            "ms": f"{share.ms:.3g}",
            "GFLOP": f"{share.gflop:.3g}",
            "MB moved": f"{share.read_mb:.3g}",
            "MB of weights": f"{share.weights_mb:.3g}",
            "bound by": share.bound,
        }
        for share in option.estimate.shares
    ]


def published_rows(verdicts: Sequence[Verdict]) -> list[Row]:
    """One row a measurement, hit or miss."""
    return [
        {
            "policy": verdict.row.policy,
            "precision": _precision(verdict),
            "runtime": verdict.row.runtime,
            "measured, ms": f"{verdict.row.ms:g}",
            "plan, ms": f"{verdict.estimate_ms:.1f}",
            "error": f"{round(100.0 * verdict.error):+d} %",
            "": verdict.kind + (", shapes of a fitted row" if verdict.same_shapes else ""),
        }
        for verdict in verdicts
    ]


def published_summary(verdicts: Sequence[Verdict]) -> str:
    """How many rows are hit; those with the shapes of a fitted row are not counted."""
    tested = [verdict for verdict in verdicts if verdict.kind != "fitted" and not verdict.same_shapes]
    hits = sum(verdict.kind == "hit" for verdict in tested)
    policies = len({verdict.row.policy for verdict in tested if verdict.kind == "hit"})
    return (
        f"{hits} of {len(tested)} rows with shapes of their own within {100.0 * WITHIN:.0f} %, {policies} policies; "
        f"efficiencies: FP16 {EFFICIENCY.fp16:.3f} and INT8 {EFFICIENCY.int8:.3f} of the peak (one row each), "
        f"memory {EFFICIENCY.bandwidth:g} (not fitted)"
    )


def published_markdown(verdicts: Sequence[Verdict]) -> str:
    """The comparison as a table for a README."""
    rows = [
        {**row, "source": verdict.row.source} for row, verdict in zip(published_rows(verdicts), verdicts, strict=True)
    ]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _precision(verdict: Verdict) -> str:
    overrides = "".join(f", {part} {precision}" for part, precision in verdict.row.overrides.items())
    return verdict.row.precision + overrides
