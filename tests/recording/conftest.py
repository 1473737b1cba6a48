"""A recorded arm: controller, policy, feed and recorder are real, the servos are simulated, the pictures are noise."""

from __future__ import annotations

import time
from itertools import count

import msgspec
import numpy as np
import pytest

pytest.importorskip("mcap")
pytest.importorskip("foxglove_schemas_protobuf")

from edgevla.messages import Event, Observation, TickRecord
from edgevla.policy.loading import load_policy
from edgevla.policy.preprocess import cameras_of
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.recording.feed import Nothing, ObservationFeed
from edgevla.runtime.recording.limits import Limits
from edgevla.runtime.recording.recorder import Recorder
from edgevla.runtime.recording.wire import Fed
from tests.runtime.conftest import ROBOT_YAML, Rig

BEGIN_S = 1000.0  # CLOCK_MONOTONIC where the simulated time is 0
OFFSET_NS = 1_700_000_000_000_000_000  # what makes it 2023-11-14 22:30
REPLAN_TICKS, SIDE = 5, 48
_starts = count()


def facts(bundle, variant="fp32"):
    return {
        "robot": "so101-tabletop",
        "joints": "shoulder_pan,shoulder_lift,elbow_flex,wrist_flex,wrist_roll,gripper",
        "robot.yaml": ROBOT_YAML.read_text(encoding="utf-8"),
        "overrides": "{}",
        "model": "",
        "bundle": str(bundle),
        "policy.yaml": (bundle / "policy.yaml").read_text(encoding="utf-8"),
        "variant": variant,
        "engine": "cpu",
        "version": "0.1.0",
        "git": "",
        "device": "{}",
        "started": f"2023-11-14T22:30:{next(_starts):02d}+00:00",
        "monotonic_to_unix_ns": str(OFFSET_NS),
    }


class RecordedArm:
    """What the control and policy processes do, tick by tick, with the recorder at the end of the same links."""

    def __init__(self, folder, bundle=ROBOT_YAML.parent, limits=None, pictures="png"):
        self.rig = Rig()
        self.latencies_s = np.random.default_rng(3)
        ends = socket_pair()
        self.policy_link = Link(ends[1], Fed)
        self.feed = ObservationFeed(Link(ends[0], Nothing), pictures, clock=self._clock)
        self.policy = load_policy(bundle, robot=self.rig.robot, clock=self.feed.clock)
        self.feed.clock.since(0.0)  # the rehearsal's; on a robot those are older than the first picture
        self.recorder = Recorder(
            folder,
            "so101-tabletop",
            self.rig.robot.joint_names,
            limits or Limits(1_000_000_000),
            OFFSET_NS,
            facts(bundle),
            time.monotonic,
        )
        self.seq = self.ticks = 0
        self.instruction, self.fresh = "", False
        self.reason = ""
        self.chunks, self.records, self.observations = [], [], []

    def _clock(self):
        """In simulated time a chunk takes no time; as the robot sees it, it takes a while, each time another."""
        return BEGIN_S + self.rig.now_s + self.latencies_s.uniform(0.0, 0.2)

    def instruct(self, text):
        self.policy.reset()
        self.instruction, self.fresh = text, True

    def run(self, ticks):
        for _ in range(ticks):
            if self.instruction and self.ticks % REPLAN_TICKS == 0 and self.rig.controller.state is not None:
                self._plan()
            self.rig.tick()
            self._record()
        return self

    def ask(self, event, why="a test"):
        self.rig.controller.operator(event, why, self.rig.now_s, self.rig.now_s)
        return self

    def engage(self, instruction):
        """Arm, plan, engage."""
        self.run(2)
        self.instruct(instruction)
        return self.ask(Event.ARM).run(2 * REPLAN_TICKS).ask(Event.ENGAGE, instruction)

    def _plan(self):
        self.seq += 1
        picture = np.random.default_rng(self.seq).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
        state_rad = np.array(self.rig.controller.state.position_rad)
        pictures = dict.fromkeys(cameras_of(self.policy.manifest), picture)
        seen = Observation(BEGIN_S + self.rig.now_s, pictures, state_rad, self.instruction)
        chunk = self.policy.act(seen, self.seq)
        self.feed.offer(seen, chunk, fresh=self.fresh)
        self.fresh = False
        self.chunks.append(chunk)
        self.observations.append(seen)
        self._deliver()
        played = msgspec.structs.replace(chunk, t_obs_s=chunk.t_obs_s - BEGIN_S)
        self.rig.controller.offer(played, self.rig.now_s)

    def _deliver(self):
        """Wait for the feed's thread: here nothing is dropped."""
        deadline_s = time.monotonic() + 5.0
        while not any(type(message).__name__ == "Part" for message in self._hear()):
            assert time.monotonic() < deadline_s, "the feed sends nothing"
            time.sleep(0.0005)

    def _hear(self):
        messages = self.policy_link.drain()
        for message in messages:
            self.recorder.fed(message)
        return messages

    def _record(self):
        controller, outcome = self.rig.controller, self.rig.outcome
        self.ticks += 1
        chunk = controller.chunk
        record = TickRecord(
            tick=self.ticks,
            t_s=BEGIN_S + outcome.t_s,
            mode=controller.mode,
            reason=controller.reason if controller.reason != self.reason else "",
            measured_rad=controller.state.position_rad,
            velocity_rad_s=controller.state.velocity_rad_s,
            setpoint_rad=controller.setpoint_rad,
            chunk_seq=-1 if chunk is None else chunk.seq,
            plan_age_ms=-1.0 if chunk is None else outcome.plan_age_s * 1e3,
            limited=outcome.limited,
            blocked=outcome.blocked,
            held=outcome.held,
            lateness_us=12.5,
            skipped=0,
            work_us=300.0,
            wire_us=2000.0,
        )
        self.reason = controller.reason
        self.records.append(record)
        self.recorder.tick(record)

    def close(self):
        self.feed.close()
        self._hear()
        self.recorder.close()


@pytest.fixture(scope="session")
def episode(tmp_path_factory):
    """Two engagements in one recording: the first ends by a stop, the second is let go."""
    folder = tmp_path_factory.mktemp("episode")
    arm = RecordedArm(folder)
    arm.engage("touch the red block").run(60).ask(Event.STOP).run(40)
    arm.engage("push the blue block left").run(60).ask(Event.RELEASE).run(40)
    arm.close()
    return arm, folder
