"""Mutants of what mutmut does not touch: constants, tables and properties. Each is applied and its tests must fail.

    python -m tests.mutants.by_hand

prints those that survive and exits with 1 if there are any. A mutant lives in a forked process that imports the changed
file instead of the real one; nothing on disk is changed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NamedTuple

import hypothesis.strategies
import numpy
import pytest

import edgevla.config.robot
import edgevla.messages
import edgevla.registers

# Imported once here, so that no fork has to; what is mutated must not be among them.
SHARED = (edgevla.config.robot, edgevla.messages, edgevla.registers, hypothesis.strategies, numpy)
ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """One change: `was` stands exactly once in the module's source, and the tests in `tests` judge it."""

    module: str
    was: str
    becomes: str
    tests: str

    @property
    def path(self) -> Path:
        return (ROOT / self.module.replace(".", "/")).with_suffix(".py")

    def __str__(self) -> str:
        return f"{self.module}: {self.was} -> {self.becomes}"


def _of(module: str, tests: str, *changes: tuple[str, str]) -> list[Mutant]:
    return [Mutant(f"edgevla.{module}", was, becomes, tests) for was, becomes in changes]


MUTANTS = [
    *_of(
        "control.gate",
        "tests/control/test_gate.py",
        ("WINDOW_S = 0.25", "WINDOW_S = 0.3"),
        ("_WIDER = 1.25", "_WIDER = 1.3"),
        ("_ROUNDING_COUNTS = 2", "_ROUNDING_COUNTS = 3"),
        ("math.ceil(self.counts_s * self.period_s * _WIDER)", "math.ceil(self.counts_s * self.period_s)"),
        ("math.ceil(self.counts_s * WINDOW_S * _WIDER)", "math.floor(self.counts_s * WINDOW_S * _WIDER)"),
    ),
    *_of(
        "control.limits",
        "tests/control/test_limits.py",
        ("_LEADS = 0.9", "_LEADS = 0.91"),
        ("_LEADS = 0.9", "_LEADS = 0.89"),
        ("math.radians(1.0)", "math.radians(1.1)"),
        ("self.position_rad)) and all", "self.position_rad)) or all"),
        ("return all(motion.standing", "return any(motion.standing"),
    ),
    *_of(
        "control.modes",
        "tests/control/test_modes.py",
        ("(Mode.FAULT, Event.RESET): Mode.DISARMED", "(Mode.FAULT, Event.RESET): Mode.HOLDING"),
        ("(Mode.STOPPING, Event.STOPPED): Mode.HOLDING", "(Mode.STOPPING, Event.STOPPED): Mode.ENGAGED"),
        ("(Mode.HOLDING, Event.ENGAGE)", "(Mode.DISARMED, Event.ENGAGE)"),
        ("(Mode.ENGAGED, event): Mode.STOPPING", "(Mode.ENGAGED, event): Mode.HOLDING"),
        ("for mode in Mode for event in LATCHING", "for mode in (Mode.ENGAGED,) for event in LATCHING"),
        ("Event.STOP, Event.RESET})", "Event.STOP, Event.RESET, Event.INTERNAL})"),
        ("Event.STOP, Event.RESET})", "Event.RESET})"),
    ),
    *_of(
        "control.motion",
        "tests/control/test_motion.py",
        ("STANDSTILL_RAD_S = 1e-9", "STANDSTILL_RAD_S = 2e-9"),
        ("STANDSTILL_RAD_S and abs", "STANDSTILL_RAD_S or abs"),
        ("_BISECTIONS = 6", "_BISECTIONS = 5"),
        ("_CLOSING_PER_S = 10.0", "_CLOSING_PER_S = 11.0"),
    ),
    *_of(
        "control.ticker",
        "tests/control/test_ticker.py",
        ("_SPACING = 0.9", "_SPACING = 0.8"),
        ("_LAG_WINDOW = 100", "_LAG_WINDOW = 99"),
        ("_LAG_SHARE = 0.9", "_LAG_SHARE = 0.89"),
        ("_OVERRUNS_IN_A_ROW = 3", "_OVERRUNS_IN_A_ROW = 4"),
        (">= _OVERRUNS_IN_A_ROW or", ">= _OVERRUNS_IN_A_ROW and"),
    ),
    *_of(
        "control.timeline",
        "tests/control/test_timeline.py",
        ("_FUTURE_S = 0.05", "_FUTURE_S = 0.06"),
        ("_MAX_ROWS = 1024", "_MAX_ROWS = 1023"),
        ("return self._chunk", "return None"),
        ("return self._confirmed_until_s is not None\n", "return False\n"),
        ("return self._confirmed_until_s is not None\n", "return True\n"),
    ),
    *_of(
        "control.proposal",
        "tests/control/test_proposal.py",
        ("LOOK_S = 30.0", "LOOK_S = 31.0"),
        ("LOOK_S = 30.0", "LOOK_S = 29.5"),
        ("math.radians(2.0)", "math.radians(2.1)"),
        ("math.radians(2.0)", "math.radians(1.9)"),
        ("LONGEST_S = 10.0", "LONGEST_S = 10.2"),
        ("LONGEST_S = 10.0", "LONGEST_S = 9.9"),
        ("self._offered is not None else -1", "self._offered is not None else 0"),
        ("return self._offered[0].seq", "return 7"),
    ),
    *_of(
        "control.workspace",
        "tests/control/test_workspace_geometry.py",
        ("_NEIGHBOURS = 2", "_NEIGHBOURS = 1"),
        ("_NEIGHBOURS = 2", "_NEIGHBOURS = 3"),
    ),
    *_of(
        "motors.feetech",
        "tests/motors/test_feetech_codec.py",
        ("BROADCAST = 0xFE", "BROADCAST = 0xFD"),
        ("MAX_ID = 0xFD", "MAX_ID = 0xFC"),
        ("_MAX_LENGTH = 0xFC", "_MAX_LENGTH = 0xFD"),
        ("SYNC_WRITE = 0x83", "SYNC_WRITE = 0x84"),
        ("if self._awaited else 0", "if self._awaited else 1"),
        ("return tuple(sorted(self._awaited))", "return tuple(self._awaited)"),
    ),
    *_of(
        "motors.dynamixel",
        "tests/motors/test_dynamixel_codec.py",
        ("BROADCAST = 0xFE", "BROADCAST = 0xFD"),
        ("MAX_ID = 0xFC", "MAX_ID = 0xFD"),
        ("STATUS = 0x55", "STATUS = 0x56"),
        ("ALERT = 0x80", "ALERT = 0x40"),
        ("PING_BYTES = 3", "PING_BYTES = 2"),
        ("OVERHEAD_BYTES = 10", "OVERHEAD_BYTES = 11"),
        ("_UNCOUNTED_BYTES = 7", "_UNCOUNTED_BYTES = 8"),
        ("_POLYNOMIAL = 0x8005", "_POLYNOMIAL = 0x1021"),
        ("BULK_WRITE = 0x93", "BULK_WRITE = 0x94"),
        ("return max(1, len(self._awaited)", "return max(0, len(self._awaited)"),
        ("if self._awaited else 0", "if self._awaited else 1"),
        ("return tuple(sorted(self._awaited))", "return tuple(self._awaited)"),
    ),
    *_of(
        "motors.mcu",
        "tests/motors/test_mcu_codec.py",
        ("MAX_JOINTS = 16", "MAX_JOINTS = 17"),
        ("MAX_TTL_MS = 500", "MAX_TTL_MS = 1000"),
        ("CONTROLLER = 255", "CONTROLLER = 254"),
        ("MAX_ID = 252", "MAX_ID = 253"),
        ("MAX_ID = 252", "MAX_ID = 251"),
        ("COUNTS_PER_TURN = 65536", "COUNTS_PER_TURN = 65535"),
        ('_STATE_JOINT = struct.Struct("<BHihBB")', '_STATE_JOINT = struct.Struct("<BHiHBB")'),
        ("LEAST_INFO_BYTES = _INFO.size + _INFO_JOINT.size", "LEAST_INFO_BYTES = _INFO.size"),
        ("TORQUE = 0x04", "TORQUE = 0x06"),
        ("OLD_SEQUENCE = 5", "OLD_SEQUENCE = 6"),
        ("EXPIRED = 1 << 1", "EXPIRED = 1 << 4"),
        ("CURRENT = 1 << 1", "CURRENT = 1 << 3"),
        ("TTL_MS = 18", "TTL_MS = 17"),
    ),
    *_of(
        "motors.mcu_frame",
        "tests/motors/test_mcu_codec.py",
        ("VERSION = 1", "VERSION = 2"),
        ("OVERHEAD_BYTES = 11", "OVERHEAD_BYTES = 10"),
        ("MAX_PAYLOAD_BYTES = 245", "MAX_PAYLOAD_BYTES = 246"),
        ('_HEAD = struct.Struct("<BBH")', '_HEAD = struct.Struct(">BBH")'),
        ("return max(1, self._wire_bytes", "return max(0, self._wire_bytes"),
        ("- len(self._pending) - 1)", "- len(self._pending))"),
        ("if self.answer is None else 0", "if self.answer is None else 1"),
    ),
]


class _Mutated(SourceFileLoader):
    """Loads one file with one change."""

    def __init__(self, mutant: Mutant, path: str) -> None:
        super().__init__(mutant.module, path)
        self._mutant = mutant

    def get_code(self, fullname: str):
        return compile(applied(self._mutant), self.path, "exec")


class _Finder:
    """Gives the changed file to whoever imports its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._spec = importlib.util.spec_from_file_location(
            mutant.module, mutant.path, loader=_Mutated(mutant, str(mutant.path))
        )

    def find_spec(self, fullname: str, _path=None, _target=None):
        return self._spec if fullname == self._spec.name else None


def applied(mutant: Mutant) -> str:
    """The source of the module with the change in it."""
    source = mutant.path.read_text(encoding="utf-8")
    count = source.count(mutant.was)
    if count != 1:
        raise ValueError(f"{mutant.path}: {mutant.was!r} stands there {count} times; once is needed")
    return source.replace(mutant.was, mutant.becomes)


def exit_code(mutant: Mutant) -> int:
    """What pytest says of the mutant, run in a process of its own: 0 when it survives, 1 when a test fails."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.meta_path.insert(0, _Finder(mutant))
        plugins = ["-p", "no:cacheprovider", "-p", "tests.mutants.bounds", "--hypothesis-profile=mutants"]
        os._exit(pytest.main(["-x", "-q", *plugins, str(ROOT / mutant.tests)]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> int:
    """Try them all; 1 when one survives or cannot be tried."""
    codes = {mutant: exit_code(mutant) for mutant in MUTANTS}
    for mutant, code in codes.items():
        if code != pytest.ExitCode.TESTS_FAILED:
            print(f"survived: {mutant}" if code == 0 else f"not tried, pytest ended with {code}: {mutant}")
    return int(any(code != pytest.ExitCode.TESTS_FAILED for code in codes.values()))


if __name__ == "__main__":
    sys.exit(main())
