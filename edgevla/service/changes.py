"""What an installation would change: computed, shown, and only then done. Doing it twice changes nothing.

A record of what was written, by hash, stays beside the configuration. A file that is not as it was written belongs to
the person who changed it: it is neither replaced nor removed, and that is said.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from edgevla.files import write_whole
from edgevla.service.errors import ServiceError
from edgevla.service.layout import CONFIG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from edgevla.service.layout import Wanted

Kind = Literal["write", "replace", "remove", "keep", "same"]
RECORD = CONFIG / ".installed.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One file, before and after; `why` is there for a file that is kept."""

    kind: Kind
    path: PurePosixPath
    before: bytes = b""
    after: bytes = b""
    mode: int = 0o644
    why: str = ""

    @property
    def diff(self) -> str:
        """The change as a unified diff; empty for a file that stays."""
        if self.kind in {"keep", "same"}:
            return ""
        before, after = (each.decode(errors="replace").splitlines(keepends=True) for each in (self.before, self.after))
        was, becomes = (str(self.path) if each else "/dev/null" for each in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, was, becomes))


def to_install(root: Path, wanted: Sequence[Wanted]) -> list[Change]:
    """What it takes until every file is as wanted.

    Args:
        root: the folder that stands for /.
    """
    written = _written(root)
    return [_install(root, file, written) for file in wanted]


def to_uninstall(root: Path) -> list[Change]:
    """What was written, to be removed where nobody has changed it since."""
    changes = []
    for name, digest in sorted(_written(root).items()):
        path = CONFIG.__class__(name)
        before = _read(root, path)
        if before is None:
            continue
        if _digest(before) == digest:
            changes.append(Change("remove", path, before))
        else:
            changes.append(Change("keep", path, before, before, why="changed since it was installed"))
    return changes


def apply(root: Path, changes: Sequence[Change]) -> None:
    """Do it, and record what was done. Interrupted, it can be done again.

    Raises:
        OSError: a file cannot be written; each is as it was or as it should be.
    """
    written = dict(_written(root))
    for change in changes:
        target = at(root, change.path)
        if change.kind in {"write", "replace"}:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, change.after)
            target.chmod(change.mode)
        elif change.kind == "remove":
            target.unlink()
        if change.kind in {"write", "replace", "same"}:
            written[str(change.path)] = _digest(change.after)
        elif change.kind == "remove":
            written.pop(str(change.path), None)
    record = at(root, RECORD)
    if any(change.kind == "remove" for change in changes):
        kept = {str(change.path) for change in changes if change.kind == "keep"}
        written = {name: digest for name, digest in written.items() if name not in kept}
    if written:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_whole(record, msgspec.json.format(msgspec.json.encode(written, order="sorted")) + b"\n")
        return
    record.unlink(missing_ok=True)
    if record.parent.exists() and not any(record.parent.iterdir()):
        record.parent.rmdir()


def at(root: Path, path: PurePosixPath) -> Path:
    """Where a path of the installed system lies below `root`."""
    return root / path.relative_to("/")


def _install(root: Path, file: Wanted, written: Mapping[str, str]) -> Change:
    before = _read(root, file.path)
    if before is None:
        return Change("write", file.path, b"", file.content, file.mode)
    if before == file.content:
        return Change("same", file.path, before, before, file.mode)
    if file.config:
        return Change("keep", file.path, before, before, why="it is yours; remove it to have it written anew")
    if written.get(str(file.path)) != _digest(before):
        why = "it was changed here; put changes into a drop-in (systemctl edit), and remove it to have it written anew"
        return Change("keep", file.path, before, before, why=why)
    return Change("replace", file.path, before, file.content, file.mode)


def _written(root: Path) -> dict[str, str]:
    data = _read(root, RECORD)
    if data is None:
        return {}
    try:
        return msgspec.json.decode(data, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ServiceError(
            f"{at(root, RECORD)}: is not the record of an installation ({error})",
            fix="remove it; files that were installed are then taken for your own",
        ) from None


def _read(root: Path, path: PurePosixPath) -> bytes | None:
    target = at(root, path)
    return target.read_bytes() if target.exists() else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
