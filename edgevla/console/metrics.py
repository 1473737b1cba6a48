"""What Prometheus reads at /metrics: the newest that the robot said, by the conventions of that format.

Counters are those of the robot's processes and begin again when they do. Without a robot only `edgevla_connected` and
the host's temperatures are there: a series that ends is told from one that stands still.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from edgevla.messages import LATENESS_BUCKETS_US, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from edgevla.console.robot_link import Heard
    from edgevla.messages import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STAGES = ("capture", "preprocess", "engine", "decode")


def render(heard: Heard, now_s: float, host_c: Mapping[str, float]) -> bytes:
    """The text that Prometheus reads.

    Args:
        heard: the newest of every message of the robot.
        now_s: CLOCK_MONOTONIC.
        host_c: temperatures of the machine this runs on, in °C by place.
    """
    registry = CollectorRegistry()
    registry.register(_Metrics(heard, now_s, host_c))
    return generate_latest(registry)


def host_temperatures(root: Path = Path("/")) -> dict[str, float]:
    """The thermal zones of this machine that give a value now, in °C by their type; of two of a type the hotter.

    Args:
        root: where its / is.
    """
    found: dict[str, float] = {}
    for folder in sorted(root.glob("sys/class/thermal/thermal_zone[0-9]*")):
        try:
            name, celsius = (folder / "type").read_text().strip(), int((folder / "temp").read_text()) / 1e3
        except (OSError, ValueError):  # a part that is switched off
            continue
        found[name] = max(celsius, found.get(name, celsius))
    return found


class _Metrics(Collector):
    def __init__(self, heard: Heard, now_s: float, host_c: Mapping[str, float]) -> None:
        self._heard, self._now_s, self._host_c = heard, now_s, host_c

    def collect(self) -> Iterator[Metric]:
        heard, status = self._heard, self._heard.status
        yield _gauge("connected", "1 while the console talks to the robot, else 0.", float(heard.hello is not None))
        yield _by(_Gauge, "host_temperature_celsius", "Thermal zones of the machine.", "zone", self._host_c.items())
        if heard.hello is not None:
            info = {"version": heard.hello.version, "robot": heard.hello.robot}
            info |= {"variant": heard.hello.variant, "engine": heard.hello.engine}
            yield InfoMetricFamily("edgevla_robot", "Which robot this is, and what runs its policy.", value=info)
        if heard.policy is not None:
            yield _gauge("policy_ready", "1 while the policy can plan, else 0.", float(heard.policy.ready))
            help_ = "Cameras without a picture young enough to plan from."
            yield _gauge("blind_cameras", help_, len(heard.policy.blind))
        if heard.recorder is not None:
            yield _gauge("recording", "1 while a recording is being written, else 0.", float(heard.recorder.recording))
            help_ = "Records that the recorder could not take. The robot never waits for it."
            yield _counter("recorder_dropped_records", help_, heard.recorder.dropped)
            yield _gauge(
                "recorder_written_bytes", "Size of the recordings of this run.", heard.recorder.written_mb * 1e6
            )
        if status is not None:
            yield from self._loop(status)
            yield from self._plan(status)
            yield from self._motors(status, heard.hello.joint_names if heard.hello is not None else ())

    def _loop(self, status: Status) -> Iterator[Metric]:
        states = {mode.value: mode is status.mode for mode in Mode}
        yield StateSetMetricFamily("edgevla_mode", "The mode of the control process: 1 for the one it is in.", states)
        help_ = "Age of the newest report of the control process, which comes ten times a second."
        yield _gauge("status_age_seconds", help_, max(0.0, self._now_s - status.t_s))
        yield _counter("ticks", "Ticks of the control loop.", status.ticks)
        yield _counter("missed_ticks", "Ticks that were skipped because the one before took too long.", status.missed)
        yield _gauge("tick_rate_hertz", "Rate of the control loop.", status.rate_hz)
        if status.lateness_counts:
            yield _lateness(status.lateness_counts)

    def _plan(self, status: Status) -> Iterator[Metric]:
        if status.chunk_age_ms >= 0.0:
            help_ = "Age of the plan being played, from when its oldest picture was taken. Absent without a plan."
            yield _gauge("chunk_age_seconds", help_, status.chunk_age_ms / 1e3)
        stages = ((stage, getattr(status.stages, f"{stage}_ms") / 1e3) for stage in _STAGES)
        help_ = "Where the time of the newest chunk went; capture is the age of its oldest picture when work began."
        yield _by(_Gauge, "policy_stage_seconds", help_, "stage", stages)
        bounds = status.bounds
        actions = {"limited": bounds.limited, "blocked": bounds.blocked, "held": bounds.held}
        help_ = "Ticks in which the plan was limited by the bounds, blocked by the gate, or held for want of one."
        yield _by(_Counter, "bounds_ticks", help_, "action", actions.items())

    def _motors(self, status: Status, joints: tuple[str, ...]) -> Iterator[Metric]:
        limited = zip(joints, status.limited_joints, strict=False)
        help_ = "Ticks in which the bounds changed what was asked of a joint."
        yield _by(_Counter, "joint_limited_ticks", help_, "joint", limited)
        yield _counter("serial_reads_lost", "Reads of the servos that brought no valid answer.", status.reads_lost)
        health = status.health
        temperatures = ((each.joint, each.temperature_c) for each in health)
        yield _by(_Gauge, "servo_temperature_celsius", "Temperature that a servo reports.", "joint", temperatures)
        voltages = ((each.joint, each.voltage_v) for each in health)
        yield _by(_Gauge, "servo_voltage_volts", "Supply voltage that a servo reports.", "joint", voltages)
        loads = ((each.joint, each.load) for each in health)
        yield _by(_Gauge, "servo_load_ratio", "Load of a servo, a share of its stall torque.", "joint", loads)
        faults = ((each.joint, float(each.status != 0)) for each in health)
        yield _by(_Gauge, "servo_fault", "1 while a servo reports a fault, else 0.", "joint", faults)


_Gauge, _Counter = GaugeMetricFamily, CounterMetricFamily


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"edgevla_{name}", help_, value=value)


def _counter(name: str, help_: str, value: float) -> Metric:
    """Written with `_total` behind its name."""
    return CounterMetricFamily(f"edgevla_{name}", help_, value=value)


def _by(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    help_: str,
    label: str,
    values: Iterable[tuple[str, float]],
) -> Metric:
    """One series for each value of a label."""
    family = kind(f"edgevla_{name}", help_, labels=[label])
    for place, value in values:
        family.add_metric([place], value)
    return family


def _lateness(counts: tuple[int, ...]) -> Metric:
    """A histogram without its sum, which nobody counts: quantiles and shares can be had, an average cannot."""
    borders = [f"{border_us / 1e6:g}" for border_us in LATENESS_BUCKETS_US] + ["+Inf"]
    buckets = list(zip(borders, accumulate(counts), strict=False))
    help_ = "How long after its deadline a tick began."
    family = HistogramMetricFamily("edgevla_tick_lateness_seconds", help_, buckets=buckets)
    family.add_sample("edgevla_tick_lateness_seconds_count", {}, buckets[-1][1])
    return family
