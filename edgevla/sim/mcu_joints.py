"""The simulated motor controller's drives: goals in, ramps out, a time to live on every goal. No protocol.

Positions are counts of 1/65536 turn, 32768 at joint angle 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.sim.servos import Body

MIDDLE_COUNTS = 32768
COUNTS_PER_RAD = 65536 / math.tau


class Drive:
    """One joint's ramp. `low`, `high`, `velocity` and `deceleration` are the limits it keeps to, in counts and s."""

    def __init__(self, device: int) -> None:
        self.device = device
        self.low = 1024
        self.high = 64511
        self.velocity = round(12.0 * COUNTS_PER_RAD)
        self.deceleration = round(100.0 * COUNTS_PER_RAD)
        self.temperature_c = 30.0
        self._goal = 0.0
        self._at = 0.0
        self._speed = 0.0

    @property
    def angle_rad(self) -> float:
        """Where it drives to now."""
        return (self._at - MIDDLE_COUNTS) / COUNTS_PER_RAD

    @property
    def moving(self) -> bool:
        """Whether it has not arrived."""
        return self._speed != 0.0 or self._at != self._goal

    def stand(self, position_rad: float) -> None:
        """Make this the place to stay at."""
        self._at = self._goal = MIDDLE_COUNTS + position_rad * COUNTS_PER_RAD
        self._speed = 0.0

    def go(self, goal: int) -> None:
        """Drive there."""
        self._goal = float(goal)

    def follow(self, dt_s: float) -> None:
        """Let `dt_s` pass on the way to the goal."""
        left = self._goal - self._at
        step = math.copysign(min(abs(left), self.velocity * dt_s), left)
        self._at += step
        self._speed = step / dt_s

    def brake(self, dt_s: float) -> None:
        """Let `dt_s` pass on the way to a stop."""
        slower = max(0.0, abs(self._speed) - self.deceleration * dt_s)
        self._speed = math.copysign(slower, self._speed)
        self._at = min(max(self._at + self._speed * dt_s, min(self.low, self._at)), max(self.high, self._at))
        self._goal = self._at


class Drives:
    """All joints of one controller. Time passes in `apply` only.

    Args:
        body: the simulated arm.
        devices: the joints' ids, in the order of the body's joints.
    """

    def __init__(self, body: Body, devices: Sequence[int]) -> None:
        self.each = tuple(Drive(device) for device in devices)
        self.torque_on = False
        self.expired = False
        self._body = body
        self._left_s = math.inf  # of the newest command's time to live

    @property
    def moving(self) -> bool:
        """Whether any joint has not arrived."""
        return self.torque_on and any(drive.moving for drive in self.each)

    def power_up(self) -> None:
        """Torque off, nothing remembered."""
        self.torque_on = self.expired = False
        self._left_s = math.inf

    def switch(self, on: bool) -> None:
        """Switch the torque; where the joints stand when it comes on is where they stay."""
        if on and not self.torque_on:
            for drive, position_rad in zip(self.each, self._body.position_rad, strict=True):
                drive.stand(float(position_rad))
        self.torque_on = on
        self._left_s = math.inf

    def go(self, goals: dict[int, int], ttl_s: float) -> None:
        """Drive to these goals, joint id -> counts, and stop after `ttl_s` without others."""
        for drive in self.each:
            drive.go(goals[drive.device])
        self._left_s = ttl_s

    def clear(self) -> None:
        """Forget that a command expired."""
        self.expired = False
        self._left_s = math.inf

    def apply(self) -> None:
        """Let a physics step's time pass, and write goal and torque of every joint into the body before it."""
        body = self._body
        dt_s = body.timestep_s
        self._left_s -= dt_s
        if self.torque_on and self._left_s < -1e-9:  # sums of steps are not exact
            self.expired = True
        for joint, (drive, position_rad) in enumerate(zip(self.each, body.position_rad, strict=True)):
            if not self.torque_on:
                drive.stand(float(position_rad))
            elif self.expired:
                drive.brake(dt_s)
            else:
                drive.follow(dt_s)
            body.goal_rad[joint] = drive.angle_rad
            body.torque_on[joint] = self.torque_on
            body.torque_limit[joint] = 1.0
