"""Which Jetson this is, if it is one, and whether its JetPack is one that EdgeVLA runs on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from edgevla.doctor.finding import Finding, fail, ok, skip, warn

if TYPE_CHECKING:
    from edgevla.doctor.machine import Machine

_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: (\d+)\.(\d+)")
_UPGRADE = "flash JetPack 6.2 or 7.2, see systemd/README.md"


class Row(NamedTuple):
    """All releases of Jetson Linux from `since` on, until the next row."""

    since: tuple[int, int, int]
    jetpack: str
    runs: bool  # with a TensorRT that edgevla.engine.capabilities knows


# JetPack archive: 6.0 still has TensorRT 8.6.
RELEASES = (
    Row((0, 0, 0), "5 or older", runs=False),
    Row((36, 0, 0), "6.0", runs=False),
    Row((36, 4, 0), "6.1", runs=True),
    Row((36, 4, 3), "6.2", runs=True),
    Row((38, 0, 0), "7.0", runs=True),
    Row((38, 4, 0), "7.1", runs=True),
    Row((39, 0, 0), "7.2", runs=True),
)
_UNKNOWN = (40, 0, 0)  # from here on nobody has looked


class Jetson(NamedTuple):
    """A Jetson."""

    model: str
    release: tuple[int, int, int]  # of Jetson Linux, R36.4.3
    jetpack: str  # version of the package nvidia-jetpack; empty when it is not installed


def read_jetson(machine: Machine) -> Jetson | None:
    """The Jetson that this machine is; None when it is none."""
    text = machine.text("/etc/nv_tegra_release")
    if not text:
        return None
    found = _RELEASE.search(text)
    release = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
    model = machine.text("/proc/device-tree/model") or "a Jetson"
    return Jetson(model, release, package_version(machine, "nvidia-jetpack"))


def package_version(machine: Machine, package: str) -> str:
    """The version of an installed Debian package; empty without it."""
    for entry in machine.text("/var/lib/dpkg/status").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Package") == package and fields.get("Status", "").endswith(" installed"):
            return fields.get("Version", "")
    return ""


def check_jetson(jetson: Jetson | None) -> Finding:
    """Whether JetPack is one that EdgeVLA runs on."""
    name = "jetson"
    if jetson is None:
        return skip(name, "not a Jetson: power modes, JetPack and its TensorRT do not apply")
    if jetson.release == (0, 0, 0):
        return warn(name, f"{jetson.model}; /etc/nv_tegra_release cannot be understood", "cat /etc/nv_tegra_release")
    written = "R{}.{}.{}".format(*jetson.release)
    row = [row for row in RELEASES if row.since <= jetson.release][-1]
    found = f"{jetson.model}, Jetson Linux {written} (JetPack {jetson.jetpack or row.jetpack})"
    if not row.runs:
        return fail(name, f"{found}: older than JetPack 6.1", _UPGRADE)
    if jetson.release >= _UNKNOWN:
        return warn(
            name, f"{found}: newer than this program knows", "install a newer EdgeVLA: systemd/README.md, step 8"
        )
    if not jetson.jetpack:
        return warn(name, f"{found}; its libraries are not all installed", "sudo apt-get install -y nvidia-jetpack")
    return ok(name, found)
