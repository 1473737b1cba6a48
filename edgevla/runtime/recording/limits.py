"""When a recording file is full, and when the disk is."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """In bytes and seconds."""

    quota_bytes: int
    file_bytes: int = 256_000_000
    file_s: float = 600.0
    reserve_bytes: int = 256_000_000  # left free for everybody else on this disk
    flush_s: float = 1.0  # what a killed recorder loses
    to_disk_s: float = 5.0  # what a power cut loses
    retry_s: float = 5.0
