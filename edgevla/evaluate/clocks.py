"""What the machine's clocks were set to: without it a latency figure of a Jetson cannot be compared with another.

Read from sysfs: the governor and the frequencies of each cluster of cores, and of the GPU where it is a devfreq device,
as on a Jetson. The power mode stands in the report's `device`. What a machine does not tell is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SYS = Path("/sys")
_GPU_WORDS = ("gpu", "ga10b", "gv11b")  # in the devfreq names of Orin and Xavier, and of later kernels


def clocks(sys: Path = _SYS) -> dict[str, Any]:
    """`cpu`: one entry a cluster; `gpu`: one a devfreq device. Frequencies in MHz."""
    cores = sorted((sys / "devices/system/cpu/cpufreq").glob("policy*"))
    devices = sorted((sys / "class/devfreq").glob("*"))
    return {
        "cpu": [
            {
                "cores": _read(cluster / "related_cpus"),
                "governor": _read(cluster / "scaling_governor"),
                "mhz": _scaled(cluster / "scaling_cur_freq", 1e-3),
                "max_mhz": _scaled(cluster / "scaling_max_freq", 1e-3),
            }
            for cluster in cores
        ],
        "gpu": [
            {
                "name": device.name,
                "governor": _read(device / "governor"),
                "mhz": _scaled(device / "cur_freq", 1e-6),
                "max_mhz": _scaled(device / "max_freq", 1e-6),
            }
            for device in devices
            if any(word in device.name for word in _GPU_WORDS)
        ],
    }


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _scaled(path: Path, factor: float) -> float | None:
    text = _read(path)
    return round(float(text) * factor, 1) if text is not None and text.isdecimal() else None
