"""Servos that can be broken, in the ways of edgevla/sim/faults.py; until then they are ordinary servos."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from edgevla.sim.faulty_line import SILENCE, FaultyLine
from edgevla.sim.servos import Answer, SimulatedServos

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgevla.sim.faults import Fault
    from edgevla.sim.servos import Body

_RIGHT_V = 12.0
_HISTORY = 1000  # positions, more than two seconds of physics steps


class Encoders:
    """A `Body` whose positions are what broken encoders say; everything else is the body's own."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._faults: dict[int, Fault] = {}
        self._broken_rad = np.array(body.position_rad)
        self._past: deque[tuple[float, NDArray[np.float64]]] = deque(maxlen=_HISTORY)
        self._random = np.random.default_rng(0)
        self.timestep_s = body.timestep_s
        self.goal_rad = body.goal_rad
        self.torque_on = body.torque_on
        self.torque_limit = body.torque_limit

    def break_(self, faults: Mapping[int, Fault]) -> None:
        """Have these faults from now on, by the index of the joint, and no others."""
        self._broken_rad = np.array(self._body.position_rad)
        self._past.clear()
        self._faults = dict(faults)

    @property
    def position_rad(self) -> NDArray[np.float64]:
        """Joint angles, as the encoders say."""
        if not self._faults:
            return self._body.position_rad
        now_s = time.monotonic()
        position_rad = np.array(self._body.position_rad)
        self._past.append((now_s, position_rad.copy()))
        for joint, fault in self._faults.items():
            position_rad[joint] = self._said(joint, fault, now_s)
        return position_rad

    @property
    def velocity_rad_s(self) -> NDArray[np.float64]:
        """Joint speeds."""
        return self._body.velocity_rad_s

    @property
    def load(self) -> NDArray[np.float64]:
        """Torque as a share of the stall torque, -1..1."""
        return self._body.load

    def _said(self, joint: int, fault: Fault, now_s: float) -> float:
        true_rad = float(self._past[-1][1][joint])
        if fault.kind == "stuck":
            return float(self._broken_rad[joint])
        if fault.kind == "garbage":
            return true_rad + float(self._random.uniform(-fault.by_rad, fault.by_rad))
        if fault.kind == "wrong":
            return true_rad + fault.by_rad
        if fault.kind == "delayed":
            return float(next(then for t_s, then in self._past if t_s >= now_s - fault.by_s)[joint])
        return true_rad


class FaultyServos(SimulatedServos):
    """Servos that `break_` breaks and mends."""

    def __init__(self, body: Body, devices: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> None:
        self._encoders = Encoders(body)
        self._line = FaultyLine()
        self._supply: Fault | None = None
        self._supply_since_s = 0.0
        self._cool_c: dict[int, float] = {}  # servo id -> its temperature before it was heated
        super().__init__(self._encoders, devices)

    def break_(self, faults: Sequence[Fault]) -> None:
        """Have these faults from now on, and no others."""
        with self._lock:
            self._line.break_([fault for fault in faults if fault.part == "bus"])
            broken = {
                joint: fault
                for fault in faults
                for joint, servo in enumerate(self.servos)
                if fault.part == "servo" and fault.device in (0, servo.device)
            }
            self._encoders.break_(broken)
            for joint, servo in enumerate(self.servos):
                servo.connected = joint not in broken or broken[joint].kind != "off"
            self._supply = next((fault for fault in faults if fault.part == "power"), None)
            self._supply_since_s = time.monotonic()
            self._power()
            self._heat([fault for fault in faults if fault.part == "heat"])
            self._settled = False

    def handle(self, data: bytes) -> Answer:
        """Take bytes from the line, see `SimulatedServos.handle`."""
        if self._supply is not None:
            self._power()
        if self._line.cut:
            return SILENCE
        return self._line.carry(super().handle(data))

    def _power(self) -> None:
        fault = self._supply
        supply_v = _RIGHT_V
        if fault is not None and fault.kind == "wrong":
            supply_v = fault.value
        if fault is not None and fault.kind == "intermittent":
            halves = int((time.monotonic() - self._supply_since_s) / fault.by_s)
            supply_v = _RIGHT_V if halves % 2 else fault.value
        for servo, position_rad in zip(self.servos, self._body.position_rad, strict=True):
            servo.supply_v = supply_v
            if fault is not None and fault.kind == "off":
                if servo.connected:
                    servo.power_up(float(position_rad))
                servo.connected = False

    def _heat(self, faults: Sequence[Fault]) -> None:
        for device, before_c in self._cool_c.items():
            next(servo for servo in self.servos if servo.device == device).temperature_c = before_c
        self._cool_c.clear()
        for fault in faults:
            for servo in self.servos:
                if fault.device in (0, servo.device):
                    self._cool_c.setdefault(servo.device, servo.temperature_c)
                    servo.temperature_c = fault.value
