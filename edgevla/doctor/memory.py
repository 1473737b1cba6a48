"""Memory and swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.doctor.finding import Finding, fail, ok, skip, warn

if TYPE_CHECKING:
    from edgevla.doctor.machine import Machine

# The processes of the shipped policy take 0.4 GB together; what is missing is taken from somebody.
_LEAST_GB = 0.5
_COMFORTABLE_GB = 1.5
_BUSY_SHARE = 0.25  # of the swap; more is being moved back and forth
_WHO = "ps -eo rss,comm --sort=-rss | head shows who has it; end what the robot does not need"


def check_memory(machine: Machine) -> Finding:
    """How much is free, as the kernel reckons it."""
    name = "memory"
    fields = {}
    for line in machine.text("/proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        fields[key] = int(value.split()[0]) * 1024 / 1e9 if value.split() else 0.0
    if "MemAvailable" not in fields:
        return skip(name, "unknown: no /proc/meminfo")
    free_gb = fields["MemAvailable"]
    found = f"{free_gb:.1f} of {fields['MemTotal']:.1f} GB available"
    if free_gb < _LEAST_GB:
        return fail(name, found, _WHO)
    return warn(name, found, _WHO) if free_gb < _COMFORTABLE_GB else ok(name, found)


def check_swap(machine: Machine) -> Finding:
    """Swap, which is no trouble until it is used: the policy process is not locked in memory."""
    name = "swap"
    rows = [line.split() for line in machine.text("/proc/swaps").splitlines()[1:]]
    if not rows:
        return ok(name, "none")
    kinds = ", ".join(sorted({"zram" if "zram" in row[0] else row[0] for row in rows}))
    total_gb, used_gb = (sum(int(row[column]) for row in rows) * 1024 / 1e9 for column in (2, 3))
    found = f"{used_gb:.1f} of {total_gb:.1f} GB used ({kinds})"
    if total_gb and used_gb / total_gb > _BUSY_SHARE:
        return warn(name, f"{found}: plans are late when memory comes back from there", _WHO)
    return ok(name, found)
