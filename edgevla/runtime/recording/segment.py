"""One MCAP file while it is being written."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mcap.writer import CompressionType, Writer

import edgevla
from edgevla.files import sync
from edgevla.runtime.recording.schemas import schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgevla.runtime.recording.lines import Line

FACTS = "edgevla"  # the metadata record with what was running


class FileVanished(OSError):
    """Somebody has deleted the file that is being written, or its folder."""


class Segment:
    """An open file. What `flush` has written is readable whatever happens to this process.

    Args:
        path: must not exist yet.
        facts: what was running, for the metadata record.

    Raises:
        OSError: from every method; the file keeps what was flushed before.
    """

    def __init__(self, path: Path, facts: Mapping[str, str]) -> None:
        self.path = path
        self._file = path.open("xb", buffering=0)  # the writer has a buffer of its own
        self._writer = Writer(self._file, compression=CompressionType.ZSTD)
        self._writer.start(profile="", library=f"edgevla {edgevla.__version__}")
        self._writer.add_metadata(FACTS, dict(facts))
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self.size = 0  # bytes that have been handed to the kernel

    def write(self, line: Line) -> None:
        """Add a message; its topic gets its channel and schema when it is first seen."""
        channel = self._channels.get(line.topic)
        if channel is None:
            channel = self._channels[line.topic] = self._register(line.topic)
        self._writer.add_message(channel, line.t_ns, line.data, line.t_ns, line.sequence)

    def flush(self, *, to_disk: bool) -> None:
        """End the block in progress and hand it to the kernel; `to_disk`: and wait until the disk has it.

        Raises:
            FileVanished: there is nobody who could ever read it.
        """
        self._writer.flush()
        self.size = self._file.tell()
        if to_disk:
            os.fdatasync(self._file.fileno())
        if not os.fstat(self._file.fileno()).st_nlink:
            raise FileVanished(2, "has been deleted while it was being written", str(self.path))

    def close(self) -> None:
        """Write the index, and the name to the disk."""
        self._writer.finish()
        self._writer.flush()
        self.size = self._file.tell()
        os.fsync(self._file.fileno())
        self._file.close()
        sync(self.path.parent)

    def abandon(self) -> None:
        """Keep what was flushed, give up the rest: for a disk that takes no more."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file.fileno(), self.size)
        self._file.close()

    def _register(self, topic: str) -> int:
        schema = schema_of(topic)
        if schema.name not in self._schemas:
            self._schemas[schema.name] = self._writer.register_schema(schema.name, schema.encoding, schema.data)
        return int(self._writer.register_channel(topic, schema.message_encoding, self._schemas[schema.name]))
