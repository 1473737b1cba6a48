"""Which processor and which GPU this machine has, as the kernel and the driver tell it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

_VERSION = re.compile(r"\d{3}\.\d+(?:\.\d+)?")  # of a driver; a Jetson's has none and is that of L4T


def processor() -> str:
    """The processor's name."""
    names = _values(Path("/proc/cpuinfo"), "model name")
    return names[0] if names else platform.machine()


def graphics(root: Path = Path("/")) -> tuple[str, str]:
    """The GPU's name and the version of its driver; both empty where there is none, or GPUs of several kinds.

    Args:
        root: of the file system.
    """
    jetson = _lines(root / "etc/nv_tegra_release")
    if jetson:
        model = _lines(root / "proc/device-tree/model")
        release = ", ".join(jetson[0].lstrip("# ").split(", ")[:2])
        return (model[0].strip("\x00 "), release) if model else ("", "")
    places = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    models = {model for place in places for model in _values(place, "Model")}
    versions = [_VERSION.search(line) for line in _lines(root / "proc/driver/nvidia/version")[:1]]
    if len(models) != 1 or not versions or versions[0] is None:
        return "", ""
    return models.pop(), versions[0].group()


def _values(path: Path, key: str) -> list[str]:
    return [line.partition(":")[2].strip() for line in _lines(path) if line.startswith(key)]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
