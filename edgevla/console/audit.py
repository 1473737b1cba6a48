"""The audit log: who did what, when and from where, one JSON object a line.

A thread writes it, flushed line by line and kept small by rotation, so neither a slow disk nor a stuck one holds up a
STOP. A disk that is full or read-only loses the log; that is said once, and the lines are counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

MAX_BYTES = 2 << 20
KEPT = 4  # older files beside the current one
_WAITING = 1000  # lines that a stuck disk keeps waiting; later ones are lost
_CLOSE_S = 2.0


def utc() -> str:
    """Now, as people and programs read it: 2026-01-31T12:00:00.123Z."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AuditLog:
    """One file, with older ones beside it as `path.1`, `path.2` and so on.

    Args:
        path: in a folder that exists.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._missing = 0
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lines: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="audit log", daemon=True)
        self._thread.start()

    def write(self, session: int, who: str, address: str, what: str, **facts: object) -> None:
        """Add a line. It never waits and never raises.

        Args:
            session: its number, 0 without one.
            what: the route or the thing that happened.
            facts: more about it; modes, texts.
        """
        when = {"utc": utc(), "monotonic_s": round(time.monotonic(), 3)}
        line = {**when, "session": session, "who": who, "from": address, "what": what, **facts}
        try:
            self._lines.put_nowait(f"{json.dumps(line)}\n".encode("ascii"))
        except queue.Full:
            self._miss("the disk takes too long")

    def news(self) -> list[str]:
        """What there is to tell the operator since the last call: that lines are lost, or are not any more."""
        return [self._news.get() for _ in range(self._news.qsize())]

    def close(self) -> None:
        """Write what is waiting, if the disk takes it."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(_CLOSE_S)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._append(line)
            except OSError as error:
                self._shut()
                self._miss(error.strerror or str(error))
                continue
            if self._missing:
                self._news.put(f"the audit log is written again; {self._missing} lines are missing")
                self._missing = 0
        self._shut()

    def _miss(self, why: str) -> None:
        self._missing += 1
        if self._missing == 1:
            self._news.put(f"the audit log is not written: {self._path}: {why}")

    def _append(self, line: bytes) -> None:
        if self._file is not None and os.fstat(self._file).st_size + len(line) > self._max_bytes:
            self._shut()
            self._rotate()
        if self._file is None:
            # A link in the place of the log was not made by us.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
        size = os.fstat(self._file).st_size
        if os.write(self._file, line) < len(line):
            os.ftruncate(self._file, size)
            raise OSError("the disk is full")

    def _rotate(self) -> None:
        for number in range(KEPT, 0, -1):
            newer = Path(f"{self._path}.{number - 1}") if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                newer.replace(f"{self._path}.{number}")

    def _shut(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
