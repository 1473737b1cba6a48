"""How chunks become commands: ours, with each kind of execution, and the simplest form of three strategies of others.

A strategy gets every chunk when it is finished and is asked for a command once a tick; all under a simulated clock. The
others play one row a tick, so they get a chunk resampled to the tick. They are written from descriptions of what they
do, and bound nothing, because the originals do not. What an original checks in a chunk is not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import numpy as np

from edgevla.control.limits import Limits
from edgevla.control.timeline import Timeline
from edgevla.policy.decode.base import Decoded
from edgevla.policy.execution import execution_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest
    from edgevla.config.robot import Robot
    from edgevla.messages import Chunk, Observation
    from edgevla.policy.execution.guidance import Guidance

    Command = NDArray[np.float64] | None  # (joints,) rad; None: nothing is sent


class Play(NamedTuple):
    """One tick's command, whether it is the first of a new chunk, and what the chunk asked for before any bounds."""

    command: Command
    seam: bool
    asked: Command


class Strategy(Protocol):
    """What is compared."""

    @property
    def hungry(self) -> bool:
        """Whether the next inference shall begin, when none is under way."""
        ...

    def begin(self, observation: Observation) -> Guidance | None:
        """Take what the next inference is made from; return what it is to be drawn to."""
        ...

    def offer(self, chunk: Chunk, now_s: float) -> None:
        """Take a finished chunk."""
        ...

    def tick(self, now_s: float) -> Play:
        """Return the command for now."""
        ...


class Ours:
    """The real execution, `Timeline` and `Limits`, on an arm that is always where it was told to be."""

    hungry = True

    def __init__(self, robot: Robot, start_rad: Sequence[float], manifest: Manifest) -> None:
        self._timeline = Timeline(len(robot.joints), robot.control.plan_hold_after)
        self._limits = Limits(robot.joints, 1.0 / robot.control.rate)
        self._limits.start(start_rad)
        self._now_s = 0.0
        self._execution = execution_of(
            manifest,
            gap_s=robot.control.plan_hold_after,
            astray_rad=[joint.tracking for joint in robot.joints],
            clock=lambda: self._now_s,
        )
        self._played: int | None = None
        self.held = 0

    def begin(self, observation: Observation) -> Guidance | None:
        return self._execution.begin(observation)

    def offer(self, chunk: Chunk, now_s: float) -> None:
        self._now_s = now_s
        rows = np.array(chunk.actions_rad)
        finite = bool(np.isfinite(rows).all())  # which the decoder has seen to
        joined = self._execution.finish(Decoded(rows, True) if finite else Decoded.invalid("not finite"))
        actions = tuple(map(tuple, joined.actions_rad.tolist()))
        self._timeline.offer(msgspec.structs.replace(chunk, actions_rad=actions, valid=joined.valid), now_s)

    def tick(self, now_s: float) -> Play:
        wanted = self._timeline.wanted(now_s)
        if wanted is None:
            self.held += 1
            return Play(np.array(self._limits.brake().position_rad), False, None)
        chunk = self._timeline.chunk
        seam = chunk is not None and chunk.seq != self._played
        self._played = chunk.seq if chunk is not None else None
        shaped = self._limits.follow(wanted, self._limits.position_rad)
        return Play(np.array(shaped.position_rad), seam, np.array(wanted.position_rad))


class _Rows:
    """A queue of rows, one a tick; empty, the last command stands."""

    def __init__(self, robot: Robot, start_rad: Sequence[float], manifest: Manifest) -> None:
        self._period_s = 1.0 / robot.control.rate
        self._rows: list[NDArray[np.float64]] = []
        self._first: NDArray[np.float64] | None = None  # of the newest chunk
        self._last = np.array(start_rad)

    @property
    def hungry(self) -> bool:
        return True

    def begin(self, observation: Observation) -> Guidance | None:
        return None

    def tick(self, now_s: float) -> Play:
        if not self._rows:
            return Play(self._last, False, self._last)
        row = self._rows.pop(0)
        self._last = row
        return Play(row, row is self._first, row)

    def _resampled(self, chunk: Chunk) -> list[NDArray[np.float64]]:
        rows = np.array(chunk.actions_rad)
        times = np.arange(0.0, (len(rows) - 1) / chunk.rate_hz + 1e-9, self._period_s) * chunk.rate_hz
        columns = [np.interp(times, np.arange(len(rows)), column) for column in rows.T]
        return list(np.stack(columns, axis=1))


class StaleFifo(_Rows):
    """A chunk is asked for when half of one is left, and queued behind that half: it is played late, and whole."""

    def __init__(self, robot: Robot, start_rad: Sequence[float], manifest: Manifest) -> None:
        super().__init__(robot, start_rad, manifest)
        self._half = 0

    @property
    def hungry(self) -> bool:
        return len(self._rows) <= self._half

    def offer(self, chunk: Chunk, now_s: float) -> None:
        rows = self._resampled(chunk)
        self._half = len(rows) // 2
        self._first = rows[0]
        self._rows += rows


class StartAtZero(_Rows):
    """A new chunk replaces the old one and is played from its first row, whatever its age."""

    def offer(self, chunk: Chunk, now_s: float) -> None:
        self._rows = self._resampled(chunk)
        self._first = self._rows[0]


class OverwriteQueue(_Rows):
    """A new chunk replaces the old one, without the rows that inference has made too late."""

    def offer(self, chunk: Chunk, now_s: float) -> None:
        self._rows = self._resampled(chunk)[round((now_s - chunk.t_obs_s) / self._period_s) :]
        self._first = self._rows[0] if self._rows else None


STRATEGIES: dict[str, type[Ours | StaleFifo | StartAtZero | OverwriteQueue]] = {
    "ours": Ours,
    "stale FIFO": StaleFifo,
    "start at index 0": StartAtZero,
    "overwrite queue": OverwriteQueue,
}
