"""Power mode and clocks: a loop wants the same speed at every moment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgevla.doctor.finding import Finding, ok, skip, warn

if TYPE_CHECKING:
    from edgevla.doctor.machine import Machine

_MODEL = re.compile(r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", re.MULTILINE)
_DEFAULT = re.compile(r"^<\s*PM_CONFIG\s+DEFAULT=(\d+)\s*>", re.MULTILINE)
_STATUS = re.compile(r"pmode:(\d+)")
# JetPack 5, 6 and 7 call the same thing differently.
_GPUS = ("/sys/class/devfreq/*.gpu", "/sys/class/devfreq/*.ga10b", "/sys/class/devfreq/gpu-gpc-*")
_POLICIES = "/sys/devices/system/cpu/cpufreq/policy[0-9]*"
_GOVERNORS = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"  # cpupower is not on every machine


def check_power_mode(machine: Machine) -> Finding:
    """The mode of nvpmodel on a Jetson: what was set last, or what it starts with."""
    name = "power mode"
    conf = machine.text("/etc/nvpmodel.conf")
    modes = {int(number): title for number, title in _MODEL.findall(conf)}
    set_ = _STATUS.search(machine.text("/var/lib/nvpmodel/status")) or _DEFAULT.search(conf)
    if not modes or set_ is None:
        return skip(name, "unknown: no /etc/nvpmodel.conf or no mode in it", "sudo nvpmodel -q")
    mode = int(set_[1])
    found = f"{modes.get(mode, '?')} (mode {mode})"
    # Super modes come with JetPack 6.2; where there is one, it is above MAXN.
    fastest = [number for title in ("MAXN_SUPER", "MAXN") for number, each in modes.items() if each == title]
    if not fastest or mode == fastest[0]:
        return ok(name, found)
    return warn(name, f"{found}; {modes[fastest[0]]} is faster", f"sudo nvpmodel -m {fastest[0]}")


def check_gpu_clock(machine: Machine) -> Finding:
    """Whether the GPU of a Jetson may slow down between two chunks."""
    name = "GPU clock"
    for folder in (found for pattern in _GPUS for found in machine.names(pattern)):
        low, high = (machine.number(f"{folder}/{which}_freq") for which in ("min", "max"))
        if low is None or high is None:
            continue
        if low >= high:
            return ok(name, f"held at {high / 1e6:.0f} MHz")
        return warn(name, f"{low / 1e6:.0f} to {high / 1e6:.0f} MHz: the first chunks are slow", "sudo jetson_clocks")
    return skip(name, "unknown: no GPU in /sys/class/devfreq")


def check_cpu_clock(machine: Machine, *, is_jetson: bool) -> Finding:
    """Whether the processor may slow down between two ticks."""
    name = "CPU clock"
    policies = machine.names(_POLICIES)
    if not policies:
        return skip(name, "the kernel does not set it here (no cpufreq)")
    fix = "sudo jetson_clocks" if is_jetson else f"echo performance | sudo tee {_GOVERNORS}"
    changing = []
    for folder in policies:
        governor = machine.text(f"{folder}/scaling_governor")
        low, high = (machine.number(f"{folder}/scaling_{which}_freq") for which in ("min", "max"))
        if governor != "performance" and (low is None or high is None or low < high):
            changing.append(governor or "unknown")
    if not changing:
        return ok(name, "held")
    what = ", ".join(sorted(set(changing)))
    return warn(name, f"governor {what} on {len(changing)} of {len(policies)} clusters: ticks are late at first", fix)
