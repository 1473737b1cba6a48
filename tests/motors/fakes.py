"""Stand-ins for the arm behind the servos and for the line to them."""

import math

import numpy as np

from edgevla.config.robot import Joint
from edgevla.config.units import AccelerationRadS2, AngleRad, JerkRadS3, SpeedRadS


def joint(name="pan", device=1, **changes):
    fields = {
        "name": name,
        "id": device,
        "zero_counts": 2048,
        "sign": 1,
        "position_hard": (AngleRad(-2.0), AngleRad(1.5)),
        "position_soft": (AngleRad(-1.9), AngleRad(1.4)),
        "velocity": SpeedRadS(2.0),
        "acceleration": AccelerationRadS2(20.0),
        "jerk": JerkRadS3(600.0),
        "tracking": AngleRad(math.radians(25.0)),
        "home": AngleRad(0.0),
    }
    return Joint(**{**fields, **changes})


class FakeBody:
    """An arm that is wherever it is put."""

    timestep_s = 0.002

    def __init__(self, joints):
        self.position_rad = np.zeros(joints)
        self.velocity_rad_s = np.zeros(joints)
        self.load = np.zeros(joints)
        self.goal_rad = np.full(joints, np.nan)
        self.torque_on = np.zeros(joints, dtype=bool)
        self.torque_limit = np.zeros(joints)


class ScriptedTransport:
    """Answers the n-th request with the n-th reply; records what was sent."""

    wait_s = 0.0

    def __init__(self, *replies):
        self.replies = list(replies)
        self.sent = []
        self._received = b""

    def send(self, frame):
        self.sent.append(frame)
        self._received = self.replies.pop(0) if self.replies else b""

    def receive(self, at_least, deadline_s):
        received, self._received = self._received, b""
        return received

    def close(self):
        self.sent.append("closed")
