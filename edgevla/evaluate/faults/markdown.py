"""The matrix of faults as a table in a Markdown file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevla.evaluate.marked import write_between

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = "<!-- faults: begin; written by `make faults`, not by hand -->"
END = "<!-- faults: end -->"
_COLUMNS = ("fault", "detected, ms", "engagement over, ms", "motion ended, ms", "worst excursion", "mode", "reason")
_REASON = 90  # characters


def write_matrix(path: Path, report: dict[str, Any]) -> None:
    """Put the table between the marks of a file, or at its end if it has none."""
    write_between(path, BEGIN, matrix(report), END)


def matrix(report: dict[str, Any]) -> str:
    """The table, and what is needed to read it."""
    results, device = report["results"], report["device"]
    cells = results["cells"]
    worst = max((cell["excursion"] for cell in cells if cell["excursion"] is not None), default=None)
    after = [
        cell["stopped_ms"] - cell["ended_ms"]
        for cell in cells
        if cell["stopped_ms"] is not None and cell["ended_ms"] is not None
    ]
    lines = [
        f"{len(cells)} cells, {results['failed']} not as expected; seed {results['seed']}, "
        f"{'simulated' if results['simulated'] else 'real'} robot, {device['cores']} cores ({device['cpu']}), "
        f"{report['started'][:10]}. Worst excursion {_share(worst)}; no arm moved for longer than "
        f"{max(after, default=0.0):.0f} ms after its engagement was over.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    lines += [f"| {' | '.join(_row(cell))} |" for cell in cells]
    return "\n".join(lines) + "\n"


def _row(cell: dict[str, Any]) -> tuple[str, ...]:
    return (
        cell["fault"],
        _ms(cell["detected_ms"], "-"),
        _ms(cell["ended_ms"], "-"),
        _ms(cell["stopped_ms"], "goes on"),
        _share(cell["excursion"]),
        cell["mode"] + (" **not as expected**" if cell["problems"] else ""),
        _reason(cell),
    )


def _ms(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _reason(cell: dict[str, Any]) -> str:
    """Why the mode is what it is; where the fault changed nothing, there is nothing to say."""
    if cell["detected_ms"] is None or cell["mode"] == "gone":
        return ""
    reason: str = cell["reason"].replace("|", "/")
    return "" if reason.startswith("engage: ") else reason[:_REASON] + ("…" if len(reason) > _REASON else "")
