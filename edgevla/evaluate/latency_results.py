"""From what was measured to the `results` of a latency report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.evaluate.clocks import clocks
from edgevla.evaluate.quantiles import quantiles
from edgevla.runtime.report import WARM_UP_TICKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgevla.evaluate.latency_serial import RoundTrips
    from edgevla.sim.blink import Blink

    Columns = Mapping[str, NDArray[np.float64]]

WARM_UP_READS = 50
WARM_UP_CHUNKS = 10
WARM_UP_BLINKS = 3
STAGES = ("capture", "preprocess", "engine", "decode")


@dataclass(frozen=True, slots=True)
class Round:
    """One start of the runtime: the changes it answered, and its tick log."""

    blinks: Sequence[Blink]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured. `settings`: what a latency depends on but the machine; `realtime`: what was granted."""

    settings: Mapping[str, Any]
    reads: RoundTrips
    rounds: Sequence[Round]
    realtime: Mapping[str, Any]


def samples(measured: Measured) -> dict[str, NDArray[np.float64]]:
    """Every value that counts, by the name under which the report has its quantiles; each round's warm-up is left out.

    `policy_ms.hand_over` goes from the finished chunk to the end of the tick that wrote its first command,
    `policy_ms.total` there from the capture of the picture.
    """
    rounds = [_round_samples(each) for each in measured.rounds]
    return {
        "glass_to_motor_ms": _joined(rounds, "glass_to_motor_ms"),
        "serial_rtt_us": np.array(measured.reads.us[WARM_UP_READS:]),
        **{name: _joined(rounds, name) for name in (rounds[0] if rounds else {}) if name != "glass_to_motor_ms"},
    }


def latency_results(measured: Measured) -> dict[str, Any]:
    """The `results` of a latency report."""
    results: dict[str, Any] = {}
    for name, values in samples(measured).items():
        group, _, stage = name.partition(".")
        if stage:
            results.setdefault(group, {})[stage] = quantiles(values)
        else:
            results[group] = quantiles(values)
    rounds = measured.rounds
    return {
        **results,
        "unanswered": {
            "blinks": sum(blink.answered_s is None for each in rounds for blink in each.blinks),
            "reads": measured.reads.lost,
        },
        "rounds": len(rounds),
        "warm_up": {
            "reads": WARM_UP_READS,
            "blinks_a_round": WARM_UP_BLINKS,
            "ticks_a_round": WARM_UP_TICKS,
            "chunks_a_round": WARM_UP_CHUNKS,
        },
        "ticks": {
            "count": sum(len(each.columns["t_s"]) for each in rounds),
            "missed": sum(int(each.columns["skipped"].sum()) for each in rounds),
        },
        "settings": measured.settings,
        "realtime": measured.realtime,
        "clocks": clocks(),
    }


def _round_samples(one: Round) -> dict[str, NDArray[np.float64]]:
    blinks, columns = one.blinks[WARM_UP_BLINKS:], one.columns
    chunks = {stage: columns[f"chunk_{stage}_ms"][WARM_UP_CHUNKS:] for stage in (*STAGES, "command_age", "total")}
    return {
        "glass_to_motor_ms": np.array([(b.answered_s - b.t_s) * 1e3 for b in blinks if b.answered_s is not None]),
        "tick_lateness_us": columns["lateness_us"][WARM_UP_TICKS:],
        **{f"policy_ms.{stage}": chunks[stage] for stage in STAGES},
        "policy_ms.hand_over": chunks["command_age"] - chunks["total"],
        "policy_ms.total": chunks["command_age"],
    }


def _joined(rounds: Sequence[Mapping[str, NDArray[np.float64]]], name: str) -> NDArray[np.float64]:
    return np.concatenate([each[name] for each in rounds]) if rounds else np.array([])
