"""The service manager, asked and told through its own programs. Without it, files can still be placed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.service.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText")
_WAIT_S = 30.0


def running() -> bool:
    """Whether systemd runs this machine, as sd_booted(3) tells it."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def after_placing(units: Sequence[str]) -> list[list[str]]:
    """What is run once the files are there: users, units, device names; the units start with the machine."""
    return [
        ["systemd-sysusers", "/etc/sysusers.d/edgevla.conf"],
        ["systemctl", "daemon-reload"],
        ["udevadm", "control", "--reload"],
        ["udevadm", "trigger", "--subsystem-match=tty", "--subsystem-match=video4linux"],
        ["systemctl", "enable", *units],
    ]


def before_removing(units: Sequence[str]) -> list[list[str]]:
    """What is run while the files are still there: a running arm is stopped under control first."""
    return [["systemctl", "disable", "--now", *units]] if units else []


def after_removing() -> list[list[str]]:
    """What is run once the files are gone."""
    return [["systemctl", "daemon-reload"], ["udevadm", "control", "--reload"]]


def call(command: Sequence[str]) -> None:
    """Run one of them.

    Raises:
        ServiceError: it failed, with its own last line.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ServiceError(f"{' '.join(command)}: {said[0]}", fix="put that right, and run the same command again")


def state(unit: str) -> dict[str, str]:
    """What systemd knows of a unit, empty strings for what it does not.

    Raises:
        ServiceError: systemctl cannot be run.
    """
    command = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", unit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"{' '.join(command)}: {error}") from None
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return dict.fromkeys(_PROPERTIES, "") | {key: value for key, _, value in pairs if key in _PROPERTIES}
