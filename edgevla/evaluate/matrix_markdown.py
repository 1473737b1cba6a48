"""The matrix as a Markdown table: a row for each bundle and variant, a column for each condition."""

from __future__ import annotations

from typing import Any

from edgevla.evaluate.matrix import BOUNDS

BEGIN = "<!-- matrix: begin; written by `make matrix`, not by hand -->"
END = "<!-- matrix: end -->"


def markdown(report: dict[str, Any]) -> str:
    """The table of a report of `edgevla eval --matrix`, and what is needed to read it."""
    results, device = report["results"], report["device"]
    conditions: list[str] = results["conditions"]
    columns = [
        *("bundle", "family", "variant"),
        *(f"{condition}, n = {results['episodes'][condition]}" for condition in conditions),
        "chunk, ms: p50, p99",
        f"ticks an episode: {', '.join(BOUNDS)}",
        "training, min: own, all",
    ]
    cells = {(each["bundle"], each["variant"], each["condition"]): each for each in results["cells"]}
    lines = [
        f"Success in n episodes of `{results['suite']}` and its 95 % interval (Wilson), the same episodes in all cells "
        f"of a column; seed {results['seed']}, {device['cores']} cores ({device['cpu']}), {report['started'][:10]}.",
        "",
        _line(columns),
        _line(["---"] * 3 + ["---:"] * (len(columns) - 3)),
    ]
    for row in results["rows"]:
        own = [cells[row["bundle"], row["variant"], condition] for condition in conditions]
        lines.append(
            _line(
                [
                    *(row["bundle"], row["family"], row["variant"]),
                    *map(_rate, own),
                    f"{_figure(row['chunk_ms']['p50'])}, {_figure(row['chunk_ms']['p99'])}",
                    ", ".join(_figure(_mean(own, name)) for name in BOUNDS),
                    _training(row["training_min"]),
                ]
            )
        )
    if results["missing"]:
        lines += ["", f"Not there: {'; '.join(results['missing'])}."]
    return "\n".join(lines) + "\n"


def _line(fields: list[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _rate(cell: dict[str, Any]) -> str:
    low, high = cell["ci95"]
    return f"{cell['success_rate']:.0%} ({100 * low:.0f}..{100 * high:.0f})".replace("%", " %", 1)


def _mean(cells: list[dict[str, Any]], name: str) -> float:
    return float(sum(cell["bounds_per_episode"][name] for cell in cells) / len(cells))


def _training(minutes: dict[str, float] | None) -> str:
    return "-" if minutes is None else f"{minutes['own']:.0f}, {minutes['all']:.0f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
