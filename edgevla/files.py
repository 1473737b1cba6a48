"""Writing files whole or not at all, and telling what is in them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A draft beside `path` for the body to write, which takes its place when the body ends and is gone if it fails.

    The draft is on the disk before it has the name, and the name before this returns: a power cut leaves the older file
    or the new one.

    Raises:
        OSError: the older file is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        sync(draft)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all, see `whole`.

    Raises:
        OSError: an older file is as it was.
    """
    with whole(path) as draft:
        draft.write_bytes(data)


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk.

    Raises:
        OSError: it cannot be opened, or the disk is full.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, which may be larger than the memory.

    Raises:
        OSError: it is missing or unreadable.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
