"""A controller on simulated servos, in lockstep: everything is real but time and the cable."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgevla.config.load import load_robot
from edgevla.messages import Chunk, Event
from edgevla.motors import feetech
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.runtime.wiring import assemble
from edgevla.sim.loopback import LoopbackTransport
from edgevla.sim.servos import SimulatedServos
from edgevla.sim.world import World

ROBOT_YAML = Path(__file__).parents[2] / "engines" / "so101-tabletop" / "robot.yaml"


class Rig:
    """One simulated arm and its controller; `wire` is every frame that left, `writes` those that write."""

    def __init__(self, **overrides):
        self.robot = load_robot(ROBOT_YAML, {key.replace("__", "."): value for key, value in overrides.items()})
        self.world = World()
        self.world.reset(1)
        self.servos = SimulatedServos(self.world)
        self.wire = []
        self.paced = []  # how many frames had left each time a command was about to
        self.controller, self.bus, self.flight_log = assemble(
            self.robot, FeetechBus, lambda: self.world.t_s, self._open, pace=lambda: self.paced.append(len(self.wire))
        )
        self.heartbeats = True
        self.outcome = None

    def _open(self, guard):
        def recording_guard(frame):
            guard(frame)
            self.wire.append(frame)

        return FeetechBus(
            self.robot.joints, LoopbackTransport(self.servos, recording_guard), 0.005, lambda: self.world.t_s
        )

    @property
    def now_s(self):
        return self.world.t_s

    @property
    def writes(self):
        return [frame for frame in self.wire if feetech.writes_in(frame)]

    def tick(self, count=1):
        for _ in range(count):
            if self.heartbeats:
                self.controller.heartbeat(self.now_s)
            self.outcome = self.controller.tick(self.now_s)
            for _ in range(10):
                self.servos.apply()
                self.world.step()
        return self.outcome

    def offer(self, *, shift_rad=0.0, age_s=0.0, **changes):
        """A chunk that leads every joint by `shift_rad` from where it stands, over one second."""
        here = self.controller.state.position_rad
        rows = tuple(tuple(at + shift_rad * row / 10 for at in here) for row in range(12))
        fields = {"seq": round(self.now_s * 1e4), "t_obs_s": self.now_s - age_s, "rate_hz": 10.0, "actions_rad": rows}
        self.controller.offer(Chunk(**{**fields, "valid": True, **changes}), self.now_s)

    def ask(self, event):
        self.controller.operator(event, "test", self.now_s, self.now_s)

    def armed(self):
        self.tick()
        self.ask(Event.ARM)
        self.tick()
        return self

    def engaged(self, shift_rad=0.3):
        self.armed()
        self.offer(shift_rad=shift_rad)
        self.ask(Event.ENGAGE)
        self.tick()
        return self


@pytest.fixture
def rig():
    return Rig()
