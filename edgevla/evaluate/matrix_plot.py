"""The matrix as a picture: a panel for each condition, a line for each bundle, a mark with its interval a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from edgevla.files import whole

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

mpl.use("Agg")

_COLOURS = ("#2f6f9f", "#d9822b", "#4f9a52", "#8a5aa8")
_APART = 0.22  # of the height of a line, between two variants


def draw_matrix(path: Path, results: dict[str, Any]) -> None:
    """Draw the `results` of `edgevla eval --matrix` as a PNG, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    import matplotlib.pyplot as plt

    conditions = results["conditions"]
    bundles = list(dict.fromkeys(row["bundle"] for row in results["rows"]))
    variants = list(dict.fromkeys(row["variant"] for row in results["rows"]))
    figure, panels = plt.subplots(
        1,
        len(conditions),
        figsize=(3.0 + 2.2 * len(conditions), 1.6 + 0.42 * len(bundles)),
        sharey=True,
        squeeze=False,
        constrained_layout=True,
    )
    for axes, condition in zip(panels[0], conditions, strict=True):
        axes.set_title(f"{condition}, n = {results['episodes'][condition]}", fontsize="medium")
        axes.set_xlim(-2, 102)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.grid(axis="x", alpha=0.3)
        for number, variant in enumerate(variants):
            cells = [each for each in results["cells"] if (each["condition"], each["variant"]) == (condition, variant)]
            offset = (number - 0.5 * (len(variants) - 1)) * _APART
            _marks(axes, cells, bundles, offset, _COLOURS[number % len(_COLOURS)], variant)
    first = panels[0][0]
    first.set_yticks(range(len(bundles)), bundles)
    first.set_ylim(len(bundles) - 0.5, -0.5)
    figure.supxlabel("success, % of n episodes, with 95 % interval", fontsize="medium")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(variants), frameon=False)
    with whole(path) as draft:
        figure.savefig(draft, dpi=110, format="png")
    plt.close(figure)


def _marks(axes: Axes, cells: list[dict[str, Any]], bundles: list[str], offset: float, colour: str, label: str) -> None:
    shares = [100.0 * cell["success_rate"] for cell in cells]
    below = [share - 100.0 * cell["ci95"][0] for share, cell in zip(shares, cells, strict=True)]
    above = [100.0 * cell["ci95"][1] - share for share, cell in zip(shares, cells, strict=True)]
    places = [bundles.index(cell["bundle"]) + offset for cell in cells]
    # A bound rounded past the share itself would be a negative length.
    reach = [[max(0.0, length) for length in lengths] for lengths in (below, above)]
    axes.errorbar(shares, places, xerr=reach, fmt="o", color=colour, markersize=5, capsize=3, label=label)
