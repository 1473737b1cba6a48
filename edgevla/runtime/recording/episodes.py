"""From a recording to episodes: what the robot saw and was told, frame by frame, while it carried out one sentence.

An episode begins when the arm is engaged with a sentence and ends when it is not any more; another sentence, and a gap
in what was seen, begin a new one. A frame is one observation as the policy had it; nothing is resampled.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgevla.messages import Chunk, Mode, TickRecord
from edgevla.runtime.recording.happenings import Watcher
from edgevla.runtime.recording.log import LogError, read
from edgevla.runtime.recording.wire import Observed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edgevla.messages import Picture
    from edgevla.runtime.recording.log import LogFile

GAP_FRAMES = 2.5  # with more than this between two observations at least one is missing
FEWEST_FRAMES = 2


class Frame(NamedTuple):
    """One observation.

    `action_rad` is where the joints were told to be at that moment, as row 0 of a chunk is; `intervention`: up to the
    next frame the policy did not get its way, by a person's hand or by the bounds.
    """

    t_s: float
    state_rad: tuple[float, ...]
    action_rad: NDArray[np.float64]  # (joints,)
    intervention: bool
    pictures: tuple[Picture, ...]


class Episode(NamedTuple):
    """One sentence being carried out. `ended`: the mode afterwards, and why."""

    instruction: str
    ended: str
    frames: list[Frame]


@dataclass(slots=True)
class Engagement:
    """While the arm was engaged. Times are CLOCK_MONOTONIC seconds."""

    begins_s: float
    ends_s: float = float("inf")
    ended: str = "the recording ends"
    tick_s: list[float] = field(default_factory=list)
    setpoint_rad: list[tuple[float, ...]] = field(default_factory=list)
    overruled_s: list[float] = field(default_factory=list)

    def setpoint_at(self, t_s: float) -> NDArray[np.float64]:
        """Where the joints were told to be, (joints,) rad, linear between ticks."""
        setpoints = np.array(self.setpoint_rad)
        return np.array([np.interp(t_s, self.tick_s, column) for column in setpoints.T])

    def overruled(self, from_s: float, to_s: float) -> bool:
        """Whether the policy did not get its way in between."""
        return bisect_right(self.overruled_s, to_s) > bisect_right(self.overruled_s, from_s)


def engagements(logs: Sequence[LogFile]) -> list[Engagement]:
    """When the arm was engaged in the files of one start of the robot."""
    found: list[Engagement] = []
    watcher = Watcher()
    engaged: Engagement | None = None
    for record in read(logs):
        if isinstance(record, Chunk):
            watcher.plan(record)
        if not isinstance(record, TickRecord):
            continue
        happenings = list(watcher.tick(record))
        if engaged is None and record.mode is Mode.ENGAGED:
            engaged = Engagement(record.t_s)
            found.append(engaged)
        if engaged is None:
            continue
        if record.held or any(happening.intervention for happening in happenings):
            engaged.overruled_s.append(record.t_s)
        engaged.tick_s.append(record.t_s)
        engaged.setpoint_rad.append(record.setpoint_rad)
        if record.mode is not Mode.ENGAGED:
            engaged.ends_s = record.t_s
            engaged.ended = next((each.text for each in happenings), record.mode.value)
            engaged = None
    return found


def rate_hz(engaged: Sequence[tuple[Sequence[LogFile], Sequence[Engagement]]]) -> float:
    """How often the policy looked while the arm was engaged: the median.

    Raises:
        LogError: it did not.
    """
    steps_s: list[float] = []
    for logs, spans in engaged:
        times_s = [observed.t_obs_s for _, observed in _seen(logs, spans)]
        steps_s += np.diff(times_s).tolist()
    if not steps_s:
        raise LogError("nothing was carried out in these recordings: the arm was never engaged with a sentence")
    return float(1.0 / np.median(steps_s))


def episodes(logs: Sequence[LogFile], spans: Sequence[Engagement], fps: int) -> Iterator[Episode]:
    """The episodes of one start of the robot, in order. Those of fewer than `FEWEST_FRAMES` frames are left out."""
    group: list[Observed] = []
    before: Engagement | None = None
    for span, observed in _seen(logs, spans):
        if before is not None and not (
            span is before
            and observed.instruction == group[-1].instruction
            and observed.t_obs_s - group[-1].t_obs_s <= GAP_FRAMES / fps
        ):
            yield from _episode(before, group, observed.t_obs_s if span is before else before.ends_s)
            group = []
        before = span
        group.append(observed)
    if before is not None:
        yield from _episode(before, group, before.ends_s)


def _seen(logs: Sequence[LogFile], spans: Sequence[Engagement]) -> Iterator[tuple[Engagement, Observed]]:
    """The observations of sentences while the arm was engaged."""
    begins = [span.begins_s for span in spans]
    for record in read(logs):
        if isinstance(record, Observed) and record.instruction and spans:
            span = spans[max(0, bisect_right(begins, record.t_obs_s) - 1)]
            if span.begins_s <= record.t_obs_s < span.ends_s:
                yield span, record


def _episode(span: Engagement, group: Sequence[Observed], ends_s: float) -> Iterator[Episode]:
    if len(group) < FEWEST_FRAMES:
        return
    upto_s = [*(observed.t_obs_s for observed in group[1:]), ends_s]
    frames = [
        Frame(
            observed.t_obs_s,
            observed.state_rad,
            span.setpoint_at(observed.t_obs_s),
            span.overruled(observed.t_obs_s, until_s),
            observed.pictures,
        )
        for observed, until_s in zip(group, upto_s, strict=True)
    ]
    ended = span.ended if ends_s == span.ends_s else "another sentence, or a gap"
    yield Episode(group[0].instruction, ended, frames)
