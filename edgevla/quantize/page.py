"""The report as one HTML file that needs nothing else: tables, and plots as pictures inside it."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem }
td, th { padding: 0.15rem 0.9rem 0.15rem 0; text-align: left } th { font-weight: 600; border-bottom: 1px solid #bbb }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100% } code { background: #f2f2f2; padding: 0 0.2em } .missed { color: #b03a2e; font-weight: 600 }
"""
_COLOURS = {"int8": "#2f6f9f", "weights": "#d9a441", "float": "#b03a2e"}
_MEANING = {"int8": "runs in INT8", "weights": "weights in INT8, runs in float", "float": "float"}
_SHOWN_LAYERS = 30


def write_page(path: Path, title: str, results: dict[str, Any], errors_rad: Sequence[NDArray[np.float64]]) -> None:
    """Write the page, whole or not at all.

    Args:
        results: from `report.results`.
        errors_rad: for each variant, (observations, horizon, joints) on the held-out set.
    """
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for variant, errors in zip(results["variants"], errors_rad, strict=True):
        parts += _variant(variant, errors)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _variant(variant: dict[str, Any], errors_rad: NDArray[np.float64]) -> list[str]:
    size, cosine, flips = variant["bytes"], variant["cosine"], variant["gripper_flips"]
    verdict = "inside" if variant["of_budget"] <= 1.0 else '<span class="missed">outside</span>'
    share = size["int8"] / size["fp32"]
    summary = (
        f"{variant['observations']} held-out observations; {verdict} the budget, {variant['of_budget']:.0%} spent. "
        f"Recipe: {variant['recipe']}. {size['int8']:,} bytes, {share:.1%} of fp32's {size['fp32']:,}. "
        f"Cosine of the motion: mean {cosine['mean']:.5f}, median {cosine['median']:.5f}, min {cosine['min']:.5f}. "
        f"Gripper on the other side: {flips:.2%} of rows."
    )
    names = [joint["name"] for joint in variant["joints"]]
    rows = [[joint["name"], *(f"{joint[key]:.4f}" for key in ("mean", "p99", "worst"))] for joint in variant["joints"]]
    budget = variant["budget"]
    rows.append(["budget", *(f"{budget[key]:.4f}" for key in ("mean_rad", "p99_rad", "worst_rad"))])
    stayed = [[layer["name"], _MEANING[layer["level"]], layer["why"]] for layer in variant["float_layers"]]
    tried = [[each["recipe"], f"{each['worst']:.4f}", f"{each['of_budget']:.0%}"] for each in variant["recipes"]]
    return [
        f"<h2>{html.escape(variant['variant'])}</h2><p>{summary}</p>",
        "<h3>Error per joint, rad</h3>",
        _table(["joint", "mean", "99 %", "worst"], rows),
        _image(_draw_errors(names, errors_rad, budget), "share of rows with at least this error, by joint"),
        "<h3>What each layer costs alone</h3>",
        _image(
            _draw_layers(variant["layers"]),
            "layers by the share of the budget each spends when quantised alone",
        ),
        "<h3>What did not stay in INT8, and why</h3>",
        _table(["layer", "kept as", "why"], stayed) if stayed else "<p>Nothing: everything that can be is in INT8.</p>",
        "<h3>Recipes tried, everything quantised</h3>",
        _table(["recipe", "worst, rad", "of the budget"], tried),
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Everything behind the first column is numbers, unless the last column is a reason."""
    numbers = ' class="n"' if heads[-1] != "why" else ""

    def cells(kind: str, values: Sequence[str]) -> str:
        first, *others = (html.escape(value) for value in values)
        return f"<{kind}>{first}</{kind}>" + "".join(f"<{kind}{numbers}>{other}</{kind}>" for other in others)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', heads)}</tr>{body}</table>"


def _draw_errors(names: Sequence[str], errors_rad: NDArray[np.float64], budget: dict[str, float]) -> Figure:
    figure, axes = _figure(4.2)
    for index, name in enumerate(names):
        values = np.sort(errors_rad[..., index].ravel())
        axes.plot(np.maximum(values, 1e-6), 1.0 - np.arange(len(values)) / len(values), label=name)
    for key, style in (("mean_rad", ":"), ("p99_rad", "--"), ("worst_rad", "-")):
        axes.axvline(
            budget[key], color="#888", linestyle=style, linewidth=1, label=f"budget, {key.removesuffix('_rad')}"
        )
    axes.set(xscale="log", yscale="log", xlabel="error, rad", ylabel="share of rows with at least this error")
    axes.set_xlim(left=1e-5)
    axes.legend(frameon=False, fontsize=8, ncol=2)
    return figure


def _draw_layers(layers: Sequence[dict[str, Any]]) -> Figure:
    """One bar a layer; a tick says how little would be left with its weights alone in INT8."""
    shown = [layer for layer in layers if layer["quantised"] == "int8"][:_SHOWN_LAYERS]
    alone = {layer["name"]: 100.0 * layer["of_budget"] for layer in layers if layer["quantised"] == "weights"}
    figure, axes = _figure(0.9 + 0.24 * max(1, len(shown)))
    names = [layer["name"] for layer in shown]
    colours = [_COLOURS[layer["kept"]] for layer in shown]
    axes.barh(range(len(shown)), [100.0 * layer["of_budget"] for layer in shown], color=colours)
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    ticks = [(alone[name], place) for place, name in enumerate(names) if name in alone]
    axes.plot(*zip(*ticks, strict=True) if ticks else ([], []), "k|", markersize=11, label="its weights alone")
    axes.axvline(100.0, color="#888", linewidth=1)
    axes.set_xlabel("share of the budget, %")
    for each in dict.fromkeys(layer["kept"] for layer in shown):
        axes.barh([0], [0], color=_COLOURS[each], label=f"now {_MEANING[each]}")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _image(figure: Figure, words: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/png;base64,{data}">'
