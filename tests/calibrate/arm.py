"""A limp arm on simulated servos that know their homing offset, and a hand that moves it."""

from __future__ import annotations

import struct

import numpy as np

from edgevla.motors import sts3215
from edgevla.sim.loopback import LoopbackTransport
from edgevla.sim.servo import COUNTS_PER_RAD, MIDDLE_COUNTS, Servo
from edgevla.sim.servos import SimulatedServos

TURN = 4096


class HomedServo(Servo):
    """Reports the position of its magnet minus its homing offset, modulo one turn. `magnet`: counts at angle 0."""

    magnet = MIDDLE_COUNTS

    def sense(self, position_rad, velocity_rad_s, load):
        super().sense(position_rad, velocity_rad_s, load)
        reported = (self.magnet + round(position_rad * COUNTS_PER_RAD) - self.homing_offset) % TURN
        struct.pack_into("<H", self._table, sts3215.PRESENT_POSITION.address, reported)

    @property
    def homing_offset(self):
        raw = struct.unpack_from("<H", self._table, 31)[0]
        return -(raw & 0x7FF) if raw & 0x800 else raw

    @property
    def saved(self):
        """What it would still know after the power was cut: homing offset, lower and upper limit."""
        raw, low, high = (struct.unpack_from("<H", self._saved, at)[0] for at in (31, 9, 11))
        return (-(raw & 0x7FF) if raw & 0x800 else raw, low, high)


class LimpArm:
    """Six joints that stay where a hand puts them; `wire` is every frame that was sent."""

    timestep_s = 0.002

    def __init__(self, magnets=(MIDDLE_COUNTS,) * 6):
        joints = len(magnets)
        self.position_rad = np.zeros(joints)
        self.velocity_rad_s, self.load = np.zeros(joints), np.zeros(joints)
        self.goal_rad, self.torque_limit = np.zeros(joints), np.ones(joints)
        self.torque_on = np.zeros(joints, dtype=bool)
        self.wire = []
        self.servos = SimulatedServos(self)
        self.servos.servos = tuple(HomedServo(device + 1) for device in range(joints))
        for servo, magnet in zip(self.servos.servos, magnets, strict=True):
            servo.magnet = magnet
        self.servos.power_up()

    def transport(self, guard):
        def seen(frame):
            guard(frame)
            self.wire.append(frame)

        return LoopbackTransport(self.servos, seen)

    def move(self, joint, degrees):
        self.position_rad[joint] = np.radians(degrees)


class Hand:
    """An operator who, between two looks, moves the joints a little further along `path` (steps, joints) in degrees."""

    def __init__(self, arm, path, enters):
        self.said = []
        self._arm, self._path, self._enters, self._step = arm, path, list(enters), 0

    def step(self, words):
        self.said.append(words)

    tell = step

    def show(self, sweeps):
        if self._step < len(self._path):
            self._arm.position_rad[:] = np.radians(self._path[self._step])
        self._step += 1

    def finished(self):
        if self._enters and self._step > self._enters[0]:
            self._enters.pop(0)
            return True
        return False


def stop_to_stop(stops_deg, steps=60):
    """A path that moves all joints from the middle to the lower stops, then to the upper ones."""
    low, high = np.array(stops_deg, dtype=float).T
    middle = 0.5 * (low + high)
    down = middle + (low - middle) * np.linspace(0, 1, steps)[:, None]
    up = low + (high - low) * np.linspace(0, 1, 2 * steps)[:, None]
    return np.concatenate([down, up])
