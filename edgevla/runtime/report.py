"""The envelope of every `--json` file, and the figures of one run taken from its tick log."""

from __future__ import annotations

import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import edgevla
from edgevla.errors import EdgeVLAError
from edgevla.files import write_whole
from edgevla.runtime.ticklog import STAGES, TICKS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.runtime.session import Session

WARM_UP_TICKS = 50  # left out of the figures, and said so in them


def now() -> str:
    """The wall clock, for the `started` field."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class ReportRefused(EdgeVLAError):
    """The report cannot be written where it was asked for."""


def fresh_folder(folder: Path) -> None:
    """Make the folder, without an older run's figures in it.

    Raises:
        ReportRefused: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (TICKS_FILE, "report.json", "latency.png", "episode.mp4"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReportRefused(f"report folder {folder}: {error.strerror}", fix="choose another with --report") from None


def envelope(command: str, started: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """What every report has around its results."""
    return {
        "command": command,
        "version": edgevla.__version__,
        "git": _git(),
        "device": _device(),
        "started": started,
        "results": dict(results),
    }


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report whole or not at all.

    Raises:
        ReportRefused: there is no room, or no leave to write there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    except OSError as error:
        raise ReportRefused(f"{path}: cannot be written: {error.strerror}", fix="choose another place") from None


def run_results(session: Session, folder: Path, instructions: list[dict[str, Any]]) -> dict[str, Any]:
    """The results of `demo` and `run`, once the session is closed and its tick log written."""
    with np.load(folder / TICKS_FILE) as log:
        columns = {name: log[name] for name in log.files}
    status, granted = session.status, session.granted
    steady = {name: values[WARM_UP_TICKS:] for name, values in columns.items() if not name.startswith("chunk_")}
    t_s = columns["t_s"]
    span_s = float(t_s[-1] - t_s[0]) if len(t_s) > 1 else 0.0
    bounds = status.bounds if status is not None else None
    return {
        "instructions": instructions,
        "ticks": {
            "rate_hz": (len(t_s) - 1) / span_s if span_s > 0.0 else 0.0,
            "count": len(t_s),
            "missed": int(columns["skipped"].sum()),
            "warm_up": WARM_UP_TICKS,
            "lateness_us": quantiles(steady["lateness_us"]),
            "work_us": quantiles(steady["work_us"]),
            "wire_us": quantiles(steady["wire_us"]),
        },
        "policy_ms": {stage: quantiles(columns[f"chunk_{stage}_ms"]) for stage in STAGES},
        "command_age_ms": quantiles(columns["chunk_command_age_ms"]),
        "bounds": msgspec.to_builtins(bounds) if bounds is not None else {},
        "realtime": {
            "scheduler": granted.scheduler if granted is not None else "other",
            "mlock": granted.mlock if granted is not None else False,
            "affinity": list(granted.affinity) if granted is not None else [],
            "refused": granted.refused if granted is not None else "",
        },
    }


def quantiles(values: NDArray[np.float64]) -> dict[str, float | None]:
    """p50, p99 and the worst; null when nothing was measured."""
    if len(values) == 0:
        return {"p50": None, "p99": None, "max": None}
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(float(np.max(values)), 3)}


def _git() -> str:
    """The commit of the checkout this code runs from; empty for an installed package."""
    checkout = Path(edgevla.__file__).parents[1]
    if not (checkout / ".git").exists():
        return ""
    try:
        words = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
        return subprocess.run(words, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _device() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": len(_lines(Path("/proc/cpuinfo"), "processor")) or None,
        "gpu": _first_line(Path("/proc/driver/nvidia/version")),
        "jetson": _first_line(Path("/proc/device-tree/model")) if Path("/etc/nv_tegra_release").exists() else None,
        "power_mode": _first_line(Path("/var/lib/nvpmodel/status")),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    names = _lines(Path("/proc/cpuinfo"), "model name")
    return names[0] if names else platform.machine()


def _lines(path: Path, key: str) -> list[str]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)]


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\x00\n ").splitlines()[0]
    except (OSError, IndexError):
        return None
