"""What a check has to say: one line, and for whatever is not right the way to put it right."""

from __future__ import annotations

import enum

import msgspec


class Level(enum.Enum):
    """How it stands."""

    OK = "ok"
    SKIP = "skip"  # it does not apply here, or could not be looked at: `found` says which
    WARN = "warn"  # it runs, and less well than it could
    FAIL = "fail"  # it does not run, or not as robot.yaml asks


class Finding(msgspec.Struct, frozen=True):
    """One line. `fix`: a command, or the value to write down; never empty for WARN and FAIL."""

    name: str
    level: Level
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(name, Level.OK, found)


def skip(name: str, found: str, fix: str = "") -> Finding:
    """It does not apply, or is not known."""
    return Finding(name, Level.SKIP, found, fix)


def warn(name: str, found: str, fix: str) -> Finding:
    """It could be better."""
    return Finding(name, Level.WARN, found, fix)


def fail(name: str, found: str, fix: str) -> Finding:
    """It is wrong."""
    return Finding(name, Level.FAIL, found, fix)
