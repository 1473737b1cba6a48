"""Real disks for tests: small, full or read-only ones that only one program and its children see."""

from __future__ import annotations

import contextlib
import errno
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

_ALONE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")


def seeing(folder, options, command):
    """The command, for which an empty disk lies at the folder.

    Args:
        options: of mount(8) for a tmpfs: "size=1m", "ro".
    """
    script = 'mount -t tmpfs -o "mode=700,$1" disk "$2"; shift 2; exec "$@"'
    return [*_ALONE, script, "sh", options, str(folder), *map(str, command)]


def seen_by(process, path):
    """The path as that process sees it."""
    return Path(f"/proc/{process.pid}/root", *path.parts[1:])


def fill(folder):
    """Write until the disk takes nothing any more; the file that did it."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass
    assert shutil.disk_usage(folder).free == 0, errno.ENOSPC
    return ballast


@functools.cache
def _allowed():
    try:
        return subprocess.run([*_ALONE, "mount -t tmpfs disk /mnt"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def needs_disks():
    """Skips where nobody may mount anything, as in most containers."""
    if not _allowed():
        pytest.skip("nothing can be mounted here: unshare --user --mount is refused")
