"""`latency.png`: how late the ticks were, and how old the observation was when its first command went out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from edgevla.runtime.report import WARM_UP_TICKS
from edgevla.runtime.ticklog import TICKS_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

mpl.use("Agg")


def draw_latency(folder: Path) -> Path:
    """Read the tick log in `folder` and draw both histograms beside it."""
    import matplotlib.pyplot as plt

    with np.load(folder / TICKS_FILE) as log:
        lateness_us = log["lateness_us"][WARM_UP_TICKS:]
        age_ms = log["chunk_command_age_ms"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    _histogram(left, lateness_us, "tick lateness", "us", log_x=True)
    _histogram(right, age_ms, "observation to first command", "ms", log_x=False)
    path = folder / "latency.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _histogram(axes: Axes, values: NDArray[np.float64], title: str, unit: str, *, log_x: bool) -> None:
    axes.set_title(title)
    axes.set_xlabel(unit)
    axes.set_ylabel("count")
    if len(values) == 0:
        axes.text(0.5, 0.5, "nothing measured", ha="center", transform=axes.transAxes)
        return
    shown = np.maximum(values, 1.0) if log_x else values
    bins = (np.geomspace if log_x else np.linspace)(shown.min(), shown.max() * 1.01, 60).tolist()
    axes.hist(shown, bins=bins, color="#2f6f9f")
    axes.set_yscale("log")
    if log_x:
        axes.set_xscale("log")
    for share, style in ((50, "-"), (99, "--"), (100, ":")):
        value = float(np.percentile(values, share))
        name = "max" if share == 100 else f"p{share}"
        axes.axvline(
            max(value, 1.0) if log_x else value, color="#b03a2e", linestyle=style, label=f"{name} {value:.0f} {unit}"
        )
    axes.legend(frameon=False)
