"""Faults of the two lines that lead to the control process: the operator's, and the policy's that is spoken for it."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from typing import TYPE_CHECKING

import msgspec

from edgevla.evaluate.faults.vocabulary import way_of
from edgevla.messages import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.evaluate.faults.bench import Bench
    from edgevla.evaluate.faults.vocabulary import FaultSpec

_PULSE_S = 0.05
_PICTURE_AGO_S = 2.0
_PICTURE_AHEAD_S = 1.0
_FLOOD = 300  # chunks at once
_MANY_ROWS = 1100
_NOISE_BYTES = 200


def break_operator(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    """The operator's line: closed, full of noise, or with another rhythm of heartbeats."""
    if fault.kind == "off":
        bench.operator_end.shutdown(socket.SHUT_WR)
    elif fault.kind == "garbage":
        noise = random.Random(0)
        repeat(bench, lambda _: _send(bench.operator_end, noise.randbytes(_NOISE_BYTES)), mends)
    else:
        began_s = time.monotonic()
        ordinary = bench.alive
        next_s = began_s

        def rarely(now_s: float) -> bool:
            nonlocal next_s
            if now_s < next_s:
                return False
            next_s = now_s + fault.by
            return True

        rhythm = {
            "stuck": lambda _: False,
            "slow": rarely,
            "intermittent": lambda now_s: now_s - began_s > fault.by,
        }
        bench.alive = rhythm[fault.kind]
        mends.callback(setattr, bench, "alive", ordinary)


def break_chunks(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    """Speak in the policy's place, between its own words."""
    end = bench.policy_end
    assert end is not None
    here = bench.status.position_rad if bench.status is not None else ()
    joints = len(here)

    def chunk(**changes: object) -> bytes:
        fields = {"seq": 0, "t_obs_s": time.monotonic(), "rate_hz": 10.0, "actions_rad": (here,) * 12, "valid": True}
        return msgspec.msgpack.encode(Chunk(**{**fields, **changes}))  # type: ignore[arg-type]

    broken: dict[str, Callable[[], bytes]] = {
        "shape": lambda: chunk(actions_rad=(here[: joints - 1],) * 12),
        "nan": lambda: chunk(actions_rad=((float("nan"),) * joints,) * 12),
        "future": lambda: chunk(t_obs_s=time.monotonic() + _PICTURE_AHEAD_S),
        "rows": lambda: chunk(actions_rad=((1,) * joints,) * _MANY_ROWS),
    }
    if fault.kind == "intermittent":
        _send(end, broken["nan"]())
    elif fault.kind == "garbage":
        noise = random.Random(0)
        repeat(bench, lambda _: _send(end, noise.randbytes(_NOISE_BYTES)), mends)
    elif fault.kind == "delayed":
        repeat(bench, lambda _: _send(end, chunk(t_obs_s=time.monotonic() - _PICTURE_AGO_S)), mends)
    elif fault.kind == "slow":
        old = chunk(t_obs_s=time.monotonic() - _PICTURE_AGO_S)

        def flood(_now_s: float) -> None:
            for _ in range(_FLOOD):
                _send(end, old)

        repeat(bench, flood, mends)
    else:
        repeat(bench, lambda _: _send(end, broken[way_of(fault)]()), mends)


def repeat(bench: Bench, pulse: Callable[[float], object], mends: contextlib.ExitStack) -> None:
    """Do it now, and again twenty times a second until mended."""
    next_s = 0.0

    def due(now_s: float) -> None:
        nonlocal next_s
        if now_s >= next_s:
            next_s = now_s + _PULSE_S
            pulse(now_s)

    bench.pulses.append(due)
    mends.callback(bench.pulses.remove, due)
    due(time.monotonic())


def _send(end: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # full or closed: that is what it is for
        end.send(data)
