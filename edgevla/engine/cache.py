"""Where built engines lie: one folder an engine, named after its fingerprint, that is either complete or not there.

A build writes into a folder of its own beside the others and renames it when everything is on the disk. What a killed
build leaves behind is swept away by the next one, under the same lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgevla import files
from edgevla.engine.base import EngineError
from edgevla.engine.graph import file_sha256
from edgevla.engine.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgevla.engine.fingerprint import Fingerprint

RECORD, PLAN, SIGNOFF = "engine.json", "engine.plan", "verified.json"
_STAGING, _REPLACED = ".building-", ".replaced-"
_DIGITS = 16  # of the digest, in a folder's name


class CacheUnusable(EngineError):
    """The cache cannot be read or written; what was in it is as it was."""


class EngineDamaged(EngineError):
    """A built engine is not what was written."""


@dataclass(frozen=True, slots=True)
class Built:
    """A complete engine in the cache."""

    folder: Path
    record: Record

    @property
    def plan(self) -> Path:
        """The serialised engine."""
        return self.folder / PLAN

    @property
    def signoff(self) -> Path:
        """Where `edgevla verify` signs it off."""
        return self.folder / SIGNOFF


def default_root() -> Path:
    """`$EDGEVLA_CACHE`, else `$XDG_CACHE_HOME/edgevla`, else `~/.cache/edgevla`; engines lie in `engines` below it."""
    if named := os.environ.get("EDGEVLA_CACHE"):
        return Path(named) / "engines"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edgevla" / "engines"


class EngineCache:
    """The folder of built engines. Several processes may use it at once.

    Args:
        root: the folder; made when something is first built.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = default_root() if root is None else root

    def find(self, fingerprint: Fingerprint) -> Built | None:
        """The engine of this fingerprint, its bytes checked; None when it has not been built.

        Raises:
            EngineDamaged: it was built, and is not what was written.
            CacheUnusable: the folder cannot be read.
        """
        folder = self.folder(fingerprint)
        try:
            data = (folder / RECORD).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheUnusable(f"{folder}: {error.strerror}", fix="check its owner and permissions") from None
        fix = "edgevla build --force builds it again"
        try:
            record = msgspec.json.decode(data, type=Record)
        except msgspec.DecodeError as error:
            raise EngineDamaged(f"{folder / RECORD}: {error}", fix=fix) from None
        if record.fingerprint != fingerprint:
            raise EngineDamaged(f"{folder / RECORD}: {fingerprint.differences(record.fingerprint)}", fix=fix)
        built = Built(folder, record)
        if record.plan and (not built.plan.exists() or file_sha256(built.plan) != record.plan):
            raise EngineDamaged(f"{built.plan}: is not the file that was built", fix=fix)
        return built

    def others(self, graph: str) -> list[Fingerprint]:
        """What this graph was built for before, to say what changed."""
        records = []
        for path in sorted(self.root.glob(f"*/{RECORD}")):
            with contextlib.suppress(msgspec.DecodeError, OSError):
                records.append(msgspec.json.decode(path.read_bytes(), type=Record))
        return [record.fingerprint for record in records if record.fingerprint.graph == graph]

    def build(self, fingerprint: Fingerprint, make: Callable[[Path], Record]) -> Built:
        """Build an engine: `make` writes it into an empty folder and describes it.

        One process builds an engine at a time; a second waits. Whatever ends `make`, also the end of this process,
        leaves what was there before; never half an engine.

        Raises:
            CacheUnusable: the disk is full, or the folder cannot be written.
        """
        folder = self.folder(fingerprint)
        try:
            with self._lock(folder.name):
                self._sweep(folder)
                staging = self.root / f"{_STAGING}{folder.name}-{os.getpid()}"
                staging.mkdir()
                try:
                    record = make(staging)
                    (staging / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
                    if not record.plan and (folder / SIGNOFF).exists():  # what was verified is still what runs
                        shutil.copy(folder / SIGNOFF, staging)
                    _to_disk(staging)
                    aside = self._aside(folder)
                    if folder.exists():
                        folder.rename(aside)
                    staging.rename(folder)
                except BaseException:
                    shutil.rmtree(staging, ignore_errors=True)
                    self._sweep(folder)
                    raise
                files.sync(self.root)
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise unusable(self.root, error) from None
        return Built(folder, record)

    @contextlib.contextmanager
    def timing_cache(self, name: str) -> Iterator[Path]:
        """The file with TensorRT's timings for one version and device, locked while it is used.

        Raises:
            CacheUnusable: the folder cannot be written.
        """
        try:
            with self._lock(f"timing-{name}"):
                yield self.root / f"timing-{name}.bin"
        except OSError as error:
            raise unusable(self.root, error) from None

    def folder(self, fingerprint: Fingerprint) -> Path:
        """Where the engine of this fingerprint lies, or would lie."""
        return self.root / fingerprint.digest()[:_DIGITS]

    def _aside(self, folder: Path) -> Path:
        """Where the older engine waits while the new one takes its place."""
        return self.root / f"{_REPLACED}{folder.name}"

    def _sweep(self, folder: Path) -> None:
        """Remove what a build left behind that did not end, and put the older engine back where it had moved it."""
        for left in self.root.glob(f"{_STAGING}{folder.name}-*"):
            shutil.rmtree(left)
        aside = self._aside(folder)
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        elif aside.exists():
            shutil.rmtree(aside)

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # the kernel frees it with the process
            yield


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file of the cache whole or not at all.

    Raises:
        CacheUnusable: the disk is full, or the folder cannot be written; an older file is as it was.
    """
    try:
        files.write_whole(path, data)
    except OSError as error:
        raise unusable(path.parent, error) from None


def unusable(folder: Path, error: OSError) -> CacheUnusable:
    """The one line for a disk that takes nothing more."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return CacheUnusable(f"{folder}: {error.strerror}", fix="free some, or set EDGEVLA_CACHE to a larger disk")
    return CacheUnusable(
        f"{error.filename or folder}: {error.strerror}", fix="check its owner, or set EDGEVLA_CACHE to another folder"
    )


def _to_disk(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        files.sync(path)
