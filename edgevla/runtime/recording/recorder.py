"""`Recorder`: takes records from the sockets and has a thread write them. Between the two is a queue with a bound."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from edgevla.messages import Planned, RecorderStatus, TickRecord
from edgevla.runtime.recording.lines import Lines
from edgevla.runtime.recording.schemas import Losses
from edgevla.runtime.recording.store import Store
from edgevla.runtime.recording.wire import Joiner, Observed, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edgevla.runtime.recording.limits import Limits
    from edgevla.runtime.recording.lines import Line
    from edgevla.runtime.recording.wire import Fed

    Record = TickRecord | Planned | Observed

QUEUE_BYTES = 64_000_000  # seconds of pictures, for a disk that thinks
_RECORD_BYTES = 1_000  # about, of what has no pictures
_TEND_S = 0.25


class Recorder:
    """One robot's recording, from the start of its processes to their end.

    Args:
        folder: for the files.
        robot: its name.
        joints: their names, in the order of every row.
        limits: of files and disk.
        offset_ns: from CLOCK_MONOTONIC to the time since 1970.
        facts: what every file says was running.
        clock: CLOCK_MONOTONIC, s.
    """

    def __init__(
        self,
        folder: Path,
        robot: str,
        joints: Sequence[str],
        limits: Limits,
        offset_ns: int,
        facts: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._joiner = Joiner()
        self._lines = Lines(joints, offset_ns)
        self._store = Store(folder, robot, limits, offset_ns, facts, self._lines.head)
        self._queue: deque[tuple[Record, int]] = deque()
        self._queued_bytes = 0
        self._next_tick: int | None = None
        self._ticks_lost = self._refused = self._unwritten = 0
        self._losses = (0, 0, 0)
        self.broken: Exception | None = None  # what has ended the thread: nothing is written any more
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    @property
    def status(self) -> RecorderStatus:
        """For the operator."""
        paused, file = self._store.paused, self._store.file
        return RecorderStatus(
            recording=not paused,
            detail=paused or (f"recording to {file}" if file is not None else "ready to record"),
            file="" if file is None else str(file),
            dropped=sum(self._lost()),
            written_mb=round(self._store.written_bytes / 1e6, 3),
        )

    def tick(self, tick: TickRecord) -> None:
        """A tick has arrived; those that were lost on the way here show in its number."""
        if self._next_tick is not None:
            self._ticks_lost += max(0, tick.tick - self._next_tick)
        self._next_tick = tick.tick + 1
        self._put(tick, _RECORD_BYTES)

    def fed(self, message: Fed) -> None:
        """Something has arrived from the policy process."""
        if isinstance(message, Part):
            observed = self._joiner.add(message)
            if observed is not None:
                self._put(observed, _RECORD_BYTES + sum(len(picture.data) for picture in observed.pictures))
        else:
            self._put(message, _RECORD_BYTES)

    def close(self) -> None:
        """Write what is queued and finish the file."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _put(self, record: Record, size: int) -> None:
        with self._wake:
            if self._queued_bytes + size > QUEUE_BYTES:
                self._refused += 1
                return
            self._queue.append((record, size))
            self._queued_bytes += size
            self._wake.notify()

    def _work(self) -> None:
        try:
            self._write_until_closed()
        except Exception as error:  # whatever it is, a recorder that does not write must not look like one that does
            self.broken = error

    def _write_until_closed(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._queue or self._closed, _TEND_S)
                batch = list(self._queue)
                self._queue.clear()
                closing = self._closed and not batch
            for record, size in batch:
                self._write(self._line_up(record))
                with self._wake:
                    self._queued_bytes -= size
            self._tell_losses()
            now_s = self._clock()
            self._store.tend(now_s)
            if closing:
                self._store.close(now_s)
                return

    def _line_up(self, record: Record) -> Iterator[Line]:
        if isinstance(record, TickRecord):
            return self._lines.tick(record)
        if isinstance(record, Planned):
            return self._lines.planned(record.chunk)
        return self._lines.observed(record)

    def _write(self, lines: Iterator[Line]) -> None:
        now_s = self._clock()
        written = [self._store.write(line, now_s) for line in lines]  # every line: what holds is remembered on the way
        self._unwritten += not all(written)

    def _lost(self) -> tuple[int, int, int]:
        """Ticks, observations, and records of any kind that were here and could not be written."""
        return self._ticks_lost, self._joiner.dropped + self._joiner.broken, self._refused + self._unwritten

    def _tell_losses(self) -> None:
        lost = self._lost()
        if lost == self._losses or self._store.paused:
            return
        self._losses = lost
        ticks, observations, records = lost
        losses = Losses(t_s=self._clock(), ticks=ticks, observations=observations, records=records)
        self._write(self._lines.lost(losses))
