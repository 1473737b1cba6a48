"""The folders that are written to: may they be, and is there room."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from edgevla.doctor.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.doctor.machine import Machine

_LEAST_BYTES = 256e6  # the recorder leaves as much free for everybody else
_COMFORTABLE_BYTES = 1e9
_WHO = "sudo du -xh --max-depth=2 / | sort -h | tail -20 shows what is large"


class Folder(NamedTuple):
    """A folder and its disk. `existing`: the folder itself, or the one in which it would be made."""

    folder: Path
    existing: Path
    writable: bool
    free_bytes: int
    total_bytes: int
    used_bytes: int  # by what lies in the folder


def read_folder(machine: Machine, folder: Path) -> Folder:
    """Look at a folder, or at the place where it would be made."""
    existing = folder
    while not machine.exists(str(existing)) and existing != existing.parent:
        existing = existing.parent
    there = machine.path(existing)
    disk = shutil.disk_usage(there)
    used = sum(path.stat().st_size for path in machine.path(folder).glob("*") if path.is_file())
    return Folder(folder, existing, os.access(there, os.W_OK | os.X_OK), disk.free, disk.total, used)


def check_folder(machine: Machine, what: str, folder: Folder, quota_bytes: float = 0.0) -> Finding:
    """Whether it can be written to, and holds as much as it may grow to."""
    name = f"disk, {what}"
    free_gb, total_gb = folder.free_bytes / 1e9, folder.total_bytes / 1e9
    found = f"{folder.folder}: {free_gb:.1f} of {total_gb:.1f} GB free"
    if not folder.writable:
        made = "" if folder.existing == folder.folder else ", where it would be made"
        fix = f"sudo install -d -o {machine.user} {folder.folder}; if its disk is read-only: dmesg | grep -i remount"
        return fail(name, f"{folder.existing}{made}: {machine.user} may not write there", fix)
    if folder.free_bytes < _LEAST_BYTES:
        return fail(name, found, _WHO)
    room_bytes = folder.free_bytes + folder.used_bytes - _LEAST_BYTES
    if quota_bytes > room_bytes:
        fix = f'free some ({_WHO}), or write quota: "{max(room_bytes, 0) / 1e6:.0f} MB" in robot.yaml'
        return warn(name, f"{found}; recordings may take {quota_bytes / 1e9:.1f} GB", fix)
    return warn(name, found, _WHO) if folder.free_bytes < _COMFORTABLE_BYTES else ok(name, found)
