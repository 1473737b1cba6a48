"""The folder of recordings: one file after the other, the oldest removed first, and never anybody else's.

What cannot be written pauses the recording with one line that says why, and it goes on by itself when there is room.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import TYPE_CHECKING

from edgevla.runtime.recording.clock import stamp
from edgevla.runtime.recording.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from edgevla.runtime.recording.limits import Limits
    from edgevla.runtime.recording.lines import Line

SUFFIX = ".mcap"


class Store:
    """Writes lines into the newest file of a folder. Used from one thread; no method raises.

    Args:
        folder: made when it is not there.
        robot: its name, which every file name begins with.
        limits: of files and disk.
        offset_ns: from CLOCK_MONOTONIC to the time since 1970, for the names.
        facts: what every file says was running.
        head: the lines every file begins with.
        free_bytes: how much the disk of a folder still takes.
    """

    def __init__(
        self,
        folder: Path,
        robot: str,
        limits: Limits,
        offset_ns: int,
        facts: Mapping[str, str],
        head: Callable[[], Iterable[Line]],
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = folder
        self._name = re.sub(r"[^A-Za-z0-9_.-]", "_", robot)
        self._limits = limits._replace(file_bytes=min(limits.file_bytes, limits.quota_bytes // 4))
        self._offset_ns = offset_ns
        self._facts = facts
        self._head = head
        self._free_bytes = free_bytes
        self._segment: Segment | None = None
        self._begun_s = self._flushed_s = self._on_disk_s = self._tried_s = float("-inf")
        self._written_before = 0
        self.paused = ""  # why nothing is being written

    @property
    def file(self) -> Path | None:
        """The file that is being written."""
        return None if self._segment is None else self._segment.path

    @property
    def written_bytes(self) -> int:
        """In all files of this store."""
        return self._written_before + (0 if self._segment is None else self._segment.size)

    def write(self, line: Line, now_s: float) -> bool:
        """Add a line. False when it could not be, and is gone."""
        if self._segment is None:
            self._open(now_s)
        if self._segment is None:
            return False
        try:
            self._segment.write(line)
        except OSError as error:
            self._pause(error, now_s)
        return not self.paused

    def tend(self, now_s: float) -> None:
        """Flush what is due, begin a new file when this one is full. Call it a few times a second."""
        if self._segment is None or now_s - self._flushed_s < self._limits.flush_s:
            return
        to_disk = now_s - self._on_disk_s >= self._limits.to_disk_s
        try:
            self._segment.flush(to_disk=to_disk)
            self._flushed_s = now_s
            self._on_disk_s = now_s if to_disk else self._on_disk_s
            self._make_room()
        except OSError as error:
            self._pause(error, now_s)
            return
        if self._segment.size >= self._limits.file_bytes or now_s - self._begun_s >= self._limits.file_s:
            self.close(now_s)

    def close(self, now_s: float) -> None:
        """Finish the file in hand; the next line begins another."""
        if self._segment is None:
            return
        try:
            self._segment.close()
        except OSError as error:
            self._pause(error, now_s)
            return
        self._written_before += self._segment.size
        self._segment = None

    def _open(self, now_s: float) -> None:
        if self.paused and now_s - self._tried_s < self._limits.retry_s:
            return
        self._tried_s = now_s
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room()
            self._segment = Segment(self._free_name(now_s), self._facts)
            for line in self._head():
                self._segment.write(line)
            self._segment.flush(to_disk=True)
        except OSError as error:
            self._pause(error, now_s)
            return
        self._begun_s = self._flushed_s = self._on_disk_s = now_s
        self.paused = ""

    def _pause(self, error: OSError, now_s: float) -> None:
        """Give up the file in hand. What is in it stays readable; an empty one is removed."""
        self.paused = f"recording paused: {self._folder}: {error.strerror or error}"
        self._tried_s = now_s
        segment, self._segment = self._segment, None
        if segment is None:
            return
        segment.abandon()
        self._written_before += segment.size
        if not segment.size:
            with contextlib.suppress(OSError):
                segment.path.unlink()

    def _make_room(self) -> None:
        """Remove the oldest recordings until quota and reserve are kept.

        Raises:
            OSError: they are not, with nothing left to remove.
        """
        ours = self._ours()
        total = sum(size for _, size in ours) + (0 if self._segment is None else self._segment.size)
        while ours and (
            total > self._limits.quota_bytes or self._free_bytes(self._folder) < self._limits.reserve_bytes
        ):
            path, size = ours.pop(0)
            path.unlink()
            total -= size
        free = self._free_bytes(self._folder)
        if free < self._limits.reserve_bytes:
            need = self._limits.reserve_bytes / 1e6
            raise OSError(28, f"the disk has {free / 1e6:.0f} MB free, and {need:.0f} MB are left to everybody else")

    def _ours(self) -> list[tuple[Path, int]]:
        """The finished files of this robot and their sizes, oldest first; what is not named like ours is not ours."""
        pattern = re.compile(re.escape(self._name) + r"-\d{8}-\d{6}(-\d+)?\.mcap")
        found = []
        for entry in os.scandir(self._folder):
            if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                path, facts = self._folder / entry.name, entry.stat(follow_symlinks=False)
                if path != self.file:
                    found.append((facts.st_mtime_ns, path, facts.st_size))
        return [(path, size) for _, path, size in sorted(found)]

    def _free_name(self, now_s: float) -> Path:
        """Named by the time of day; a clock that stands or goes back makes no two files one."""
        stem = f"{self._name}-{stamp(now_s, self._offset_ns)}"
        number = 0
        while (path := self._folder / f"{stem}{f'-{number}' if number else ''}{SUFFIX}").exists():
            number += 1
        return path
