"""What passed on the bus while a cell ran, and what the independent wire check says about it.

The check is tests/wire_check.py of the source checkout. It is run as a program of its own and shares no code with what
it checks, so this is all there is between them: two files in, one JSON object out.
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import msgspec

import edgevla
from edgevla.errors import EdgeVLAError

PROGRAM = Path(edgevla.__file__).parents[1] / "tests" / "wire_check.py"
_PATIENCE_S = 60.0
_UNREADABLE = 2


class WireCheckMissing(EdgeVLAError):
    """The wire check is not there, or cannot read what it was given."""


class WireVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the wire check prints with --json; see there."""

    violations: tuple[str, ...]
    excursion: dict[str, float]
    goals: int
    first_goal_s: float | None
    last_goal_s: float | None
    last_move_s: float | None
    frames: dict[str, int]

    @property
    def worst(self) -> float:
        """The largest share of a limit that any goal took up."""
        return max(self.excursion.values())


class Wire:
    """A window on a capture that goes on growing: from construction until `cut`."""

    def __init__(self, capture: Path) -> None:
        self._capture = capture
        self._start = capture.stat().st_size if capture.exists() else 0

    def cut(self, into: Path) -> Path:
        """Copy what has passed since the construction into a file of its own."""
        with self._capture.open("rb") as capture:
            capture.seek(self._start)
            into.write_bytes(capture.read())
        return into


def check_wire(capture: Path, robot: Path, silent_after_s: float = math.inf) -> WireVerdict:
    """Run the wire check over a whole capture.

    Args:
        silent_after_s: CLOCK_MONOTONIC seconds after which nothing may be written.

    Raises:
        WireCheckMissing: there is no source checkout, or the files cannot be read.
    """
    if not PROGRAM.exists():
        raise WireCheckMissing(f"{PROGRAM}: there is no such file", fix="run this from a checkout of the sources")
    words = [sys.executable, str(PROGRAM), str(capture), str(robot), "--json"]
    if math.isfinite(silent_after_s):
        words.append(f"--silent-after={silent_after_s:.6f}")
    ran = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if ran.returncode >= _UNREADABLE or not ran.stdout:
        raise WireCheckMissing(f"the wire check of {capture} failed: {ran.stderr.strip()}")
    return msgspec.json.decode(ran.stdout, type=WireVerdict)
