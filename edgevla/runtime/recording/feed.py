"""The policy process' side of recording: hand over what was seen and planned, and go on at once.

Pictures are encoded and sent in a thread of their own. While it is busy one observation waits; the next one is dropped
and counted. Chunks are small and always go out, in their order.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edgevla.messages import Picture, Planned
from edgevla.runtime.recording.pictures import encode
from edgevla.runtime.recording.wire import Observed, cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.messages import Chunk, Observation
    from edgevla.runtime.link import Link
    from edgevla.runtime.recording.pictures import Format

_WAITING_CHUNKS = 64  # seconds of plans; a recorder that takes none for so long misses some
_ROOM_S = 0.2  # how long a part waits for room; the thread waits, the policy does not


class Nothing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a recorder says to those who feed it."""


class RememberedClock:
    """A clock, and what it said. How chunks are joined depends on it, so a replay needs to be told the same."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: deque[float] = deque(maxlen=16)  # one chunk asks five times

    def __call__(self) -> float:
        """The time, s."""
        now_s = self._clock()
        self._said.append(now_s)
        return now_s

    def since(self, t_s: float) -> tuple[float, ...]:
        """What it has said since the last call of this, from `t_s` on."""
        said = tuple(each for each in self._said if each >= t_s)
        self._said.clear()
        return said


class _Offer(NamedTuple):
    observation: Observation
    seq: int
    fresh: bool
    clock_s: tuple[float, ...]


class ObservationFeed:
    """One feed, used from the thread that plans.

    Args:
        link: to the recorder; owned from here on.
        pictures: png keeps every pixel, which a replay needs; jpeg is smaller.
        clock: CLOCK_MONOTONIC seconds, or simulated time.
    """

    def __init__(
        self, link: Link[Nothing], pictures: Format = "png", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = RememberedClock(clock)  # to be the policy's clock
        self.dropped = 0
        self._link = link
        self._format: Format = pictures
        self._chunks: deque[Planned] = deque(maxlen=_WAITING_CHUNKS)
        self._offer: _Offer | None = None
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="recording feed", daemon=True)
        self._thread.start()

    def offer(self, observation: Observation, chunk: Chunk, *, fresh: bool) -> None:
        """Hand over a chunk and what it was made from. Waits for nothing and nobody.

        Args:
            fresh: the policy was told to forget the past before this observation.
        """
        clock_s = self.clock.since(observation.t_obs_s)
        with self._wake:
            self._chunks.append(Planned(chunk=chunk))
            if self._offer is None:
                self._offer = _Offer(observation, chunk.seq, fresh, clock_s)
            else:
                self.dropped += 1
            self._wake.notify()

    def close(self) -> None:
        """Send what is waiting, as far as the recorder takes it, and hang up."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(2.0)
        self._link.close()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._chunks or self._offer is not None or self._closed)
                chunks, offer = list(self._chunks), self._offer
                self._chunks.clear()
                self._offer = None
            if not chunks and offer is None:
                return
            for chunk in chunks:
                self._send(chunk)
            if offer is not None:
                self._send_observed(offer)

    def _send_observed(self, offer: _Offer) -> None:
        seen = offer.observation
        pictures = tuple(
            Picture(camera=name, t_s=seen.t_obs_s, format=self._format, data=encode(image, self._format))
            for name, image in seen.images.items()
        )
        observed = Observed(
            seq=offer.seq,
            t_obs_s=seen.t_obs_s,
            instruction=seen.instruction,
            state_rad=tuple(seen.state_rad.tolist()),
            fresh=offer.fresh,
            pictures=pictures,
            clock_s=offer.clock_s,
        )
        if not all(self._send(part) for part in cut(observed, self.dropped)):
            self.dropped += 1

    def _send(self, message: msgspec.Struct) -> bool:
        """Send, waiting a little for room: the parts of a picture are more than the socket holds."""
        deadline_s = time.monotonic() + _ROOM_S
        while not self._link.send(message):
            left_s = deadline_s - time.monotonic()
            if self._link.closed or left_s <= 0.0:
                return False
            select.select([], [self._link], [], left_s)
        return True
