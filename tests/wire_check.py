"""The independent wire check: were the bytes that passed on the servo bus inside the envelope?

    python tests/wire_check.py CAPTURE ROBOT.yaml [--silent-after SECONDS] [--json]

CAPTURE is what `python -m edgevla.sim --capture FILE` writes. Exit code 0: every byte was inside; 1: not, with a line
for each violation; 2: the files cannot be read.

It shares nothing with what it checks: its own reading of the Feetech protocol, of robot.yaml and of the rules.
Whoever changes the codec, the limits or the gate does not change this file; a disagreement is the point of it.
"""

import argparse
import json
import math
import sys
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import yaml

COUNTS_PER_RAD = 4096 / (2 * math.pi)
BROADCAST = 0xFE
PING, READ, WRITE, SYNC_READ, SYNC_WRITE = 0x01, 0x02, 0x03, 0x82, 0x83
TORQUE, GOAL, POSITION = 40, 42, 56
WRITABLE = {TORQUE: 1, 41: 1, GOAL: 2, 44: 2, 46: 2}  # register -> bytes: torque, ramp, goal, time, speed
SETTINGS = {41, 44, 46}

WINDOW_S = 0.25
STANDS_S = 0.1  # goals that have not changed for so long stand still
STANDING_COUNTS = 12  # how far the first goal may lie from the position that was read: about 1 degree
LOST_READS = 3  # position reads in a row without a whole answer, after which no goal may be sent
# Goals are rounded to whole counts: a first difference is off by up to one, a second difference by up to two.
STEP_ROUNDING, BEND_ROUNDING = 1.0, 2.0
UNITS = {
    "deg": math.pi / 180,
    "rad": 1.0,
    "deg/s": math.pi / 180,
    "rad/s": 1.0,
    "deg/s^2": math.pi / 180,
    "rad/s^2": 1.0,
    "Hz": 1.0,
}


class Unreadable(Exception):
    """A file that is not what it should be."""


@dataclass
class Joint:
    """The envelope of one joint, in raw counts and seconds."""

    name: str
    low: int
    high: int
    velocity: float
    acceleration: float


@dataclass
class Travel:
    """What one joint was told so far."""

    goals: deque = field(default_factory=lambda: deque(maxlen=3))
    recent: deque = field(default_factory=deque)  # (t_s, goal) of the last 250 ms
    moved_s: float = -math.inf


@dataclass
class Verdict:
    """`excursion`: the largest value over its limit, quantisation taken off; at most 1 when all is well."""

    violations: list = field(default_factory=list)
    excursion: dict = field(default_factory=lambda: {"position": 0.0, "velocity": 0.0, "acceleration": 0.0})
    goals: int = 0
    first_goal_s: float | None = None
    last_goal_s: float | None = None
    last_move_s: float | None = None  # the last goal that differed from the one before it
    frames: Counter = field(default_factory=Counter)


def read_envelope(path):
    """Joints by servo id, and the control rate in Hz."""
    try:
        robot = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        joints = {each["id"]: read_joint(each) for each in robot["joints"]}
        return joints, quantity(robot["control"]["rate"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{path}: {error!r}") from error


def read_joint(joint):
    ends = sorted(
        joint["zero_counts"] + joint["sign"] * quantity(each) * COUNTS_PER_RAD for each in joint["position_hard"]
    )
    return Joint(
        name=joint["name"],
        low=math.floor(ends[0] + 0.5),
        high=math.ceil(ends[1] - 0.5),
        velocity=quantity(joint["velocity"]) * COUNTS_PER_RAD,
        acceleration=quantity(joint["acceleration"]) * COUNTS_PER_RAD,
    )


def quantity(text):
    number, unit = str(text).split(maxsplit=1)
    return float(number) * UNITS[unit]


def read_capture(path):
    """(t_s, from, bytes), in the order of the file."""
    try:
        records = map(json.loads, Path(path).read_text(encoding="ascii").splitlines())
        return [(float(each["t_s"]), each["from"], bytes.fromhex(each["hex"])) for each in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{path}: {error!r}") from error


def cut_frames(data):
    """Split bytes into (device, code, parameters) of whole frames with a good checksum, and what is none of them."""
    frames, stray = [], bytearray()
    at = 0
    while at < len(data):
        length = data[at + 3] if at + 3 < len(data) else 0
        end = at + 4 + length
        whole = data[at : at + 2] == b"\xff\xff" and length >= 2 and end <= len(data)
        if whole and (~sum(data[at + 2 : end - 1])) & 0xFF == data[end - 1]:
            frames.append((data[at + 2], data[at + 4], data[at + 5 : end - 1]))
            at = end
        else:
            stray.append(data[at])
            at += 1
    return frames, bytes(stray)


def signed(raw, bit=15):
    value = raw & ((1 << bit) - 1)
    return -value if raw >> bit & 1 else value


class Checker:
    """Takes the capture in order and notes what breaks a rule."""

    def __init__(self, joints, rate_hz, silent_after_s=math.inf):
        self.joints = joints
        self.period_s = 1 / rate_hz
        self.silent_after_s = silent_after_s
        self.verdict = Verdict()
        self.travel = {device: Travel() for device in joints}
        self.measured = {}
        self.torque = dict.fromkeys(joints, None)  # unknown until it is written
        self.times = deque()
        self.asked = None  # servo ids whose answer to a position read is still out
        self.lost_reads = 0

    def feed(self, t_s, speaker, data):
        if speaker == "servos":
            self.answer(data)
            return
        frames, stray = cut_frames(data)
        for device, code, parameters in frames:
            self.request(t_s, device, code, parameters)
        if stray:
            self.note(t_s, f"{stray.hex(' ')} is no whole frame")

    def answer(self, data):
        for device, _, block in cut_frames(data)[0]:
            if self.asked is not None and device in self.asked and len(block) >= 2:
                self.measured[device] = signed(int.from_bytes(block[:2], "little"))
                self.asked.discard(device)

    def request(self, t_s, device, code, parameters):
        names = {PING: "ping", READ: "read", WRITE: "write", SYNC_READ: "sync read", SYNC_WRITE: "sync write"}
        if code not in names:
            self.note(t_s, f"instruction {code:#04x} is not one of {', '.join(names.values())}")
            return
        self.verdict.frames[names[code]] += 1
        if code in (READ, SYNC_READ):
            self.read(device, code, parameters)
        elif code == WRITE:
            self.write(t_s, {device: parameters[1:]}, parameters[0] if parameters else -1)
        elif code == SYNC_WRITE:
            address, length = parameters[0], parameters[1]
            body = parameters[2:]
            if device != BROADCAST or length == 0 or len(body) % (length + 1):
                self.note(t_s, f"a sync write of {len(body)} bytes that does not divide by {length} + 1")
                return
            rows = [body[at : at + length + 1] for at in range(0, len(body), length + 1)]
            self.write(t_s, {row[0]: row[1:] for row in rows}, address)

    def read(self, device, code, parameters):
        if self.asked is not None:
            self.lost_reads = self.lost_reads + 1 if self.asked else 0
            self.asked = None
        if code == SYNC_READ and parameters[:1] == bytes([POSITION]):
            self.asked = set(parameters[2:])

    def write(self, t_s, values, address):
        if t_s > self.silent_after_s:
            self.note(
                t_s,
                f"a write of register {address}, {1e3 * (t_s - self.silent_after_s):.0f} ms after the line was lost",
            )
        if address not in WRITABLE:
            self.note(t_s, f"register {address} of {sorted(values)} is written; only {sorted(WRITABLE)} may be")
            return
        for device, data in values.items():
            if device not in self.joints:
                self.note(t_s, f"register {address} of device {device}, which is no joint of this robot, is written")
                return
            if len(data) != WRITABLE[address]:
                self.note(t_s, f"register {address} of {device} is written with {len(data)} bytes")
                return
        numbers = {device: int.from_bytes(data, "little") for device, data in values.items()}
        if address == GOAL:
            self.goals(t_s, {device: signed(raw) for device, raw in numbers.items()})
        else:
            self.setting(t_s, address, numbers)

    def setting(self, t_s, address, numbers):
        for device, value in numbers.items():
            name = self.joints[device].name
            if t_s - self.travel[device].moved_s < STANDS_S:
                self.note(t_s, f"{name}: register {address} is written while the goal moves")
            if address in SETTINGS and value != 0:
                self.note(t_s, f"{name}: register {address} is set to {value}, not to 0")
            if address == TORQUE:
                if value == 1 and not self.travel[device].goals:
                    self.note(t_s, f"{name}: torque on before there is a goal")
                if value not in (0, 1):
                    self.note(t_s, f"{name}: {value} is written to the torque register")
                self.torque[device] = value

    def goals(self, t_s, goals):
        verdict = self.verdict
        verdict.goals += 1
        verdict.first_goal_s = t_s if verdict.first_goal_s is None else verdict.first_goal_s
        verdict.last_goal_s = t_s
        if set(goals) != set(self.joints):
            self.note(t_s, f"goals for {sorted(goals)} only")
        if self.asked:
            self.lost_goal(t_s)
        self.rate(t_s)
        for device, goal in goals.items():
            self.goal(t_s, self.joints[device], self.travel[device], goal, device)

    def lost_goal(self, t_s):
        # The read before this goal is not answered: with the ones before it, is the line lost?
        if self.lost_reads + 1 >= LOST_READS:
            self.note(t_s, f"a goal after {self.lost_reads + 1} position reads in a row without a whole answer")

    def rate(self, t_s):
        self.times.append(t_s)
        while self.times[0] <= t_s - WINDOW_S:
            self.times.popleft()
        allowed = math.ceil(WINDOW_S / self.period_s) + 2
        if len(self.times) > allowed:
            self.note(t_s, f"{len(self.times)} goals within 250 ms, {allowed} fit the rate")
        if len(self.times) >= 4 and t_s - self.times[-4] < self.period_s:
            self.note(t_s, f"four goals within {1e3 * (t_s - self.times[-4]):.1f} ms: a burst")

    def goal(self, t_s, joint, travel, goal, device):
        half = (joint.high - joint.low) / 2
        self.worst("position", abs(goal - joint.low - half) / half)
        if not joint.low <= goal <= joint.high:
            self.note(t_s, f"{joint.name}: goal {goal} outside {joint.low} .. {joint.high}")
        if self.torque[device] != 1:
            self.standing_goal(t_s, joint, travel, goal, device)
            return
        steps = [later - earlier for earlier, later in pairwise([*travel.goals, goal])]
        if steps:
            self.bounded(t_s, joint, "velocity", steps[-1], joint.velocity * self.period_s, STEP_ROUNDING)
        if len(steps) > 1:
            bend = steps[-1] - steps[-2]
            self.bounded(t_s, joint, "acceleration", bend, joint.acceleration * self.period_s**2, BEND_ROUNDING)
        self.window(t_s, joint, travel, goal)
        if steps and steps[-1]:
            travel.moved_s = t_s
            self.verdict.last_move_s = t_s
        travel.goals.append(goal)

    def standing_goal(self, t_s, joint, travel, goal, device):
        at = self.measured.get(device)
        if at is None:
            self.note(t_s, f"{joint.name}: a goal before its position was read and its torque switched on")
        elif abs(goal - at) > STANDING_COUNTS:
            self.note(t_s, f"{joint.name}: goal {goal} without torque, {abs(goal - at)} counts from where it stands")
        travel.goals.clear()
        travel.recent.clear()
        travel.goals.append(goal)

    def window(self, t_s, joint, travel, goal):
        while travel.recent and travel.recent[0][0] <= t_s - WINDOW_S:
            travel.recent.popleft()
        if travel.recent:
            change = max(abs(goal - earlier) for _, earlier in travel.recent)
            # The reader's clock is not the writer's: one message more than the rate says may fall into the window.
            allowed = joint.velocity * (WINDOW_S + self.period_s) + STEP_ROUNDING
            if change > allowed:
                self.note(t_s, f"{joint.name}: {change} counts within 250 ms, {allowed:.0f} are allowed")
        travel.recent.append((t_s, goal))

    def bounded(self, t_s, joint, what, change, limit, rounding):
        share = max(0.0, abs(change) - rounding) / limit
        self.worst(what, share)
        if share > 1.0:
            self.note(t_s, f"{joint.name}: {what} is {share:.2f} times its limit")

    def worst(self, what, share):
        self.verdict.excursion[what] = max(self.verdict.excursion[what], share)

    def note(self, t_s, text):
        self.verdict.violations.append(f"{t_s:.4f} s: {text}")


def check(capture, robot, silent_after_s=math.inf):
    """Check a capture file against a robot.yaml."""
    joints, rate_hz = read_envelope(robot)
    checker = Checker(joints, rate_hz, silent_after_s)
    for t_s, speaker, data in read_capture(capture):
        checker.feed(t_s, speaker, data)
    return checker.verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path)
    parser.add_argument("robot", type=Path)
    parser.add_argument("--silent-after", type=float, default=math.inf, help="nothing may be written after this t_s")
    parser.add_argument("--json", action="store_true", help="the verdict as one JSON object")
    arguments = parser.parse_args()
    try:
        verdict = check(arguments.capture, arguments.robot, arguments.silent_after)
    except Unreadable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(vars(verdict)))
    else:
        worst = ", ".join(f"{name} {share:.3f}" for name, share in verdict.excursion.items())
        print("\n".join(verdict.violations[:20]))
        word = "FAIL" if verdict.violations else "PASS"
        print(f"{word}: {verdict.goals} goals, {len(verdict.violations)} violations")
        print(f"worst share of the envelope: {worst}")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
