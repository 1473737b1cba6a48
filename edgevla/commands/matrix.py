"""`edgevla eval --matrix`: every bundle in every variant under every condition, as a table, a report and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgevla.commands.options import UsageError, one_of
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixOptions:
    """What to compare, and where to put it.

    Args:
        bundles: folders; none for all that ship.
        variants: names, with commas between them, as are `conditions`, where none means all.
        episodes: of one cell; `nominal` of one under the condition of that name.
        ray: address of a Ray cluster, see `edgevla.spread`; empty for `workers` processes here.
    """

    bundles: tuple[Path, ...]
    variants: str
    conditions: str
    suite: str
    episodes: int
    nominal: int
    seed: int
    workers: int
    ray: str
    json: Path | None
    markdown: Path | None
    plot: Path | None


def evaluate_matrix(options: MatrixOptions) -> None:
    """Play every cell, then time a chunk of each bundle and variant by itself, and write what was asked for.

    Raises:
        UsageError: an unknown condition, or no variant.
        EdgeVLAError: a bundle cannot be used, or the cluster cannot be reached.
    """
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from edgevla.evaluate.chunk_times import ROUNDS, chunk_ms
    from edgevla.evaluate.closed_loop import evaluate
    from edgevla.evaluate.episodes import NOMINAL
    from edgevla.evaluate.marked import write_between
    from edgevla.evaluate.matrix import cell, cell_result, default_bundles, row_result, rows_of
    from edgevla.evaluate.matrix_markdown import BEGIN, END, markdown
    from edgevla.evaluate.matrix_plot import draw_matrix
    from edgevla.runtime.report import envelope, now, write_json
    from edgevla.sim.look import CONDITIONS

    conditions = _names("--conditions", options.conditions or ",".join(CONDITIONS))
    for condition in conditions:
        one_of("--conditions", condition, CONDITIONS)
    found = rows_of(options.bundles or default_bundles(), _names("--variants", options.variants))
    places = [(row, condition) for row in found.rows for condition in conditions]
    counts = {name: options.nominal if name == NOMINAL else options.episodes for name in conditions}
    cells = [
        cell(row, condition, suite=options.suite, episodes=counts[condition], seed=options.seed)
        for row, condition in places
    ]
    started = now()
    partial = options.json.with_name(options.json.name + ".partial") if options.json is not None else None
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        # First, and before others compute: what is wrong with a bundle is said before hours are spent on it.
        timing = progress.add_task("chunks timed", total=ROUNDS)
        times_ms = chunk_ms(found.rows, lambda: progress.advance(timing))
        bar = progress.add_task("episodes", total=sum(each.episodes for each in cells))
        played = evaluate(
            cells,
            workers=options.workers,
            ray=options.ray,
            done=partial,
            progress=lambda _: progress.advance(bar),
        )
    results: dict[str, Any] = {
        "suite": options.suite,
        "episodes": counts,
        "seed": options.seed,
        "conditions": conditions,
        "rows": [row_result(row, times) for row, times in zip(found.rows, times_ms, strict=True)],
        "cells": [cell_result(*place, episodes) for place, episodes in zip(places, played, strict=True)],
        "missing": found.missing,
    }
    report = envelope("eval", started, results)
    _print(results)
    if (page := options.markdown) is not None:
        _put(page, lambda: write_between(page, BEGIN, markdown(report), END))
    if (plot := options.plot) is not None:
        _put(plot, lambda: draw_matrix(plot, results))
    if options.json is not None and partial is not None:
        write_json(options.json, report)
        partial.unlink()


def _put(path: Path, write: Callable[[], None]) -> None:
    from edgevla.runtime.report import ReportRefused

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        fix = "choose another place; with --json the same command goes on from here"
        raise ReportRefused(f"{path}: cannot be written: {error.strerror}", fix=fix) from None


def _names(option: str, words: str) -> list[str]:
    """Words with commas between them, each once.

    Raises:
        UsageError: there is none.
    """
    names = list(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))
    if not names:
        raise UsageError(f'{option}: "{words}" names nothing', fix="give names with commas between them")
    return names


def _print(results: dict[str, Any]) -> None:
    shares = {
        (cell["bundle"], cell["variant"], cell["condition"]): f"{cell['successes']}/{cell['episodes']}"
        for cell in results["cells"]
    }
    print_table(
        "",
        [
            {"bundle": row["bundle"], "variant": row["variant"]}
            | {name: shares[row["bundle"], row["variant"], name] for name in results["conditions"]}
            | {"chunk, ms": row["chunk_ms"]["p50"]}
            for row in results["rows"]
        ],
    )
    for words in results["missing"]:
        console.print(words, highlight=False)
