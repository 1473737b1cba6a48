"""`latency.png`: how often each latency is exceeded, so that the tail is seen as well as the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

mpl.use("Agg")

_STAGES = "policy_ms."


def draw_latency(path: Path, samples: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw one panel for each of `samples`, the policy's stages (`policy_ms.*`) sharing one."""
    import matplotlib.pyplot as plt

    stages = {name.removeprefix(_STAGES): values for name, values in samples.items() if name.startswith(_STAGES)}
    panels = {name: {"": values} for name, values in samples.items() if not name.startswith(_STAGES)}
    panels["policy_ms"] = stages
    figure, axes = plt.subplots(2, 2, figsize=(11, 7.5), constrained_layout=True)
    for panel, (name, curves) in zip(axes.flat, panels.items(), strict=True):
        _exceeded(panel, name, curves)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _exceeded(axes: Axes, name: str, curves: Mapping[str, NDArray[np.float64]]) -> None:
    what, _, unit = name.rpartition("_")
    axes.set_title(what.replace("_", " "))
    axes.set_xlabel(unit)
    axes.set_ylabel("share above")
    measured = {label: np.sort(values) for label, values in curves.items() if len(values)}
    if not measured:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        return
    for label, values in measured.items():
        axes.step(values, 1.0 - np.arange(len(values)) / len(values), where="post", label=label)
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
    if not any(measured):
        for share, style in ((50, "-"), (99, "--")):
            value = float(np.percentile(measured[""], share))
            axes.axvline(value, color="#b03a2e", linestyle=style, label=f"p{share} {value:.0f} {unit}")
    axes.legend(loc="upper right", fontsize="small")
