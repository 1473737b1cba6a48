"""`edgevla latency --baseline earlier.json`: is any figure worse than it was, by more than a repetition scatters?

A figure is worse when it exceeds the earlier one by more than a share of it, and by more than a floor in its own unit.
What sets the share of glass-to-motor is the phase between camera, policy and tick, which each start of the runtime
draws anew: reckoned from the widths of those phases, the medians of two measurements of the same thing, each of 300
changes in ten starts, differ by some 7 %, one standard deviation. Capture and hand-over are little else than that
phase, so they are compared only as parts of the whole. p99 is compared only of what is measured by the thousand, the
maximum of nothing: it is one event, and another program's as often as ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Results = Mapping[str, Any]


class BaselineRefused(EdgeVLAError):
    """The earlier report cannot be compared with: unreadable, or measured on something else."""


class Tolerance(NamedTuple):
    """How much worse a figure may be: the larger of `share` of the earlier one and `floor` in its own unit."""

    path: tuple[str, ...]
    quantile: str
    share: float
    floor: float

    @property
    def name(self) -> str:
        """As it stands in the report."""
        return ".".join((*self.path, self.quantile))


class Regression(NamedTuple):
    """A figure that is worse than allowed. `now` is None when it was not measured any more."""

    name: str
    was: float
    now: float | None
    allowed: float

    def __str__(self) -> str:
        now = "not measured any more" if self.now is None else f"{self.now:g}, at most {self.allowed:g} allowed"
        return f"{self.name} was {self.was:g}, is {now}"


TOLERANCES = (
    Tolerance(("glass_to_motor_ms",), "p50", 0.20, 5.0),
    Tolerance(("glass_to_motor_ms",), "p95", 0.20, 10.0),
    Tolerance(("serial_rtt_us",), "p50", 0.10, 50.0),
    Tolerance(("serial_rtt_us",), "p99", 0.50, 200.0),
    Tolerance(("tick_lateness_us",), "p50", 0.50, 50.0),
    Tolerance(("tick_lateness_us",), "p99", 0.50, 200.0),
    *(
        Tolerance(("policy_ms", stage), quantile, share, floor)
        for stage in ("preprocess", "engine", "decode")
        for quantile, share, floor in (("p50", 0.20, 1.0), ("p95", 0.50, 2.0))
    ),
)


def load_baseline(path: Path) -> dict[str, Any]:
    """Read an earlier report of `edgevla latency`.

    Raises:
        BaselineRefused: it is missing, or is no such report.
    """
    try:
        report = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BaselineRefused(f"{path}: {reason}", fix="give a file that `edgevla latency --json` wrote") from None
    if (
        not isinstance(report, dict)
        or report.get("command") != "latency"
        or not isinstance(report.get("results"), dict)
    ):
        raise BaselineRefused(f"{path}: is no latency report", fix="give a file that `edgevla latency --json` wrote")
    return report


def check_comparable(baseline: Mapping[str, Any], settings: Mapping[str, Any], device: Mapping[str, Any]) -> None:
    """Refuse to compare what was measured on other terms.

    Args:
        baseline: the earlier report.
        settings, device: of the run that is compared with it.

    Raises:
        BaselineRefused: the message has both sides of each difference.
    """
    terms = {**settings, **{key: device.get(key) for key in ("cpu", "cores", "jetson", "power_mode")}}
    old_device = baseline.get("device", {})
    earlier = {**baseline["results"].get("settings", {}), **{key: old_device.get(key) for key in old_device}}
    other = [f"{key} {earlier.get(key)} then, {now} now" for key, now in terms.items() if earlier.get(key) != now]
    if other:
        raise BaselineRefused(
            f"the baseline was measured on other terms: {'; '.join(other)}", fix="measure a new baseline on these"
        )


def regressions(earlier: Results, results: Results) -> list[Regression]:
    """What is worse than allowed, of all that both reports have."""
    found = []
    for tolerance in TOLERANCES:
        was, now = _figure(earlier, tolerance), _figure(results, tolerance)
        if was is None:
            continue
        allowed = was + max(tolerance.share * was, tolerance.floor)
        if now is None or now > allowed:
            found.append(Regression(tolerance.name, was, now, round(allowed, 3)))
    return found


def _figure(results: Results, tolerance: Tolerance) -> float | None:
    values: Any = results
    for key in (*tolerance.path, tolerance.quantile):
        values = values.get(key) if isinstance(values, dict) else None
    return float(values) if isinstance(values, (int, float)) else None
