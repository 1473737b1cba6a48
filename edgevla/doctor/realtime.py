"""What the control process will ask of the kernel, asked beforehand by a process of its own."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from edgevla.config.robot import Realtime
from edgevla.doctor.finding import Finding, fail, ok, skip, warn
from edgevla.messages import Granted

if TYPE_CHECKING:
    from edgevla.doctor.machine import Machine

# The very request that `edgevla run` makes, in a process that ends right after.
_TRY = """
import sys, msgspec
from edgevla.config.robot import Realtime
from edgevla.runtime.realtime import request
print(msgspec.json.encode(request(msgspec.json.decode(sys.argv[1], type=Realtime))).decode())
"""
USUAL = Realtime(scheduler="fifo", priority=50, cpu=None, lock_memory=True)  # of the shipped robot.yaml
_UNIT = "/etc/systemd/system/edgevla@.service"
_FAST_HZ = 200.0  # from here on a period is not much longer than the latest wake-ups of a standard kernel
_LEAST_US = 500_000  # of each second: a loop that takes half of one has other troubles
_CAP_SYS_NICE = 1 << 23
_RT_KERNEL = (
    "Ubuntu: sudo pro enable realtime-kernel; Debian: sudo apt-get install -y linux-image-rt-amd64, or -arm64; "
    "Jetson: nvidia-l4t-rt-kernel, from NVIDIA's rt repository"
)


def check_kernel(machine: Machine, rate_hz: float) -> Finding:
    """Whether the kernel is a real-time one, where the loop's rate asks for it."""
    name = "kernel"
    version = machine.text("/proc/version")
    release = version.split()[2] if len(version.split()) > 2 else "unknown"
    if machine.number("/sys/kernel/realtime") == 1 or "PREEMPT_RT" in version:
        return ok(name, f"{release}, PREEMPT_RT")
    found = f"{release}, without PREEMPT_RT"
    if rate_hz <= _FAST_HZ:
        return ok(name, found)
    return warn(name, f"{found}, at {rate_hz:g} Hz", _RT_KERNEL)


def check_realtime(machine: Machine, wanted: Realtime) -> Finding:
    """Whether this user gets the scheduler and the locked memory that robot.yaml asks for, or else the service does."""
    name = "real time"
    if wanted.scheduler == "other" and not wanted.lock_memory and wanted.cpu is None:
        return skip(name, "robot.yaml does not ask for it")
    answer = machine.ask([sys.executable, "-c", _TRY, msgspec.json.encode(wanted).decode()])
    try:
        granted = msgspec.json.decode(answer.out, type=Granted)
    except msgspec.DecodeError:
        return skip(name, f"could not be tried: {(answer.err.splitlines() or ['no answer'])[-1]}")
    user, priority, locked = machine.user, _limit(machine, "realtime priority"), _limit(machine, "locked memory")
    limits = f"limits: rtprio {priority}, memlock {locked}"
    if machine.capabilities & _CAP_SYS_NICE:
        limits += ", CAP_SYS_NICE"
    if not granted.refused:
        memory = "memory locked" if granted.mlock else "memory not locked, as robot.yaml asks"
        return ok(name, f"{granted.scheduler} and {memory} for {user} ({limits})")
    refused = granted.refused.removeprefix("not permitted: ").split("; set rtprio")[0]
    service = _service_priority(machine)
    if service >= wanted.priority:
        return ok(name, f"for the service (LimitRTPRIO={service}); not for {user} by hand: {refused}")
    if wanted.cpu is not None and f"core {wanted.cpu}" in refused:
        return fail(name, f"{refused}: this machine or this user does not have it", "set control.realtime.cpu to null")
    line = f"{user} - rtprio {max(60, wanted.priority)}\\n{user} - memlock unlimited\\n"
    fix = f"printf '{line}' | sudo tee /etc/security/limits.d/90-edgevla.conf, and log in again"
    return warn(name, f"refused to {user}: {refused} ({limits})", fix)


def check_share(machine: Machine) -> Finding:
    """How much of each second real-time threads may have. The rest is a way out for a person when one runs away."""
    name = "real-time share"
    share_us = machine.number("/proc/sys/kernel/sched_rt_runtime_us")
    period_us = machine.number("/proc/sys/kernel/sched_rt_period_us") or 1_000_000
    if share_us is None:
        return skip(name, "unknown: no /proc/sys/kernel/sched_rt_runtime_us")
    if share_us < 0:
        return ok(name, "all of the time: a thread that runs away cannot be stopped")
    found = f"{100 * share_us / period_us:g} % of the time"
    fix = "sudo sysctl -w kernel.sched_rt_runtime_us=950000"
    if share_us == 0:
        return fail(name, f"{found}: SCHED_FIFO is switched off", fix)
    return warn(name, found, fix) if share_us * 1_000_000 < _LEAST_US * period_us else ok(name, found)


def _limit(machine: Machine, name: str) -> str:
    """A soft limit of this process."""
    found = re.search(rf"^Max {name}\s+(\S+)\s+\S+\s*(\w*)", machine.text("/proc/self/limits"), re.MULTILINE)
    if found is None:
        return "unknown"
    return f"{int(found[1]) / 2**20:.0f} MiB" if found[1].isdigit() and found[2] == "bytes" else found[1]


def _service_priority(machine: Machine) -> int:
    """What the installed unit gives the service; 0 without one."""
    found = re.search(r"^LimitRTPRIO=(\d+)", machine.text(_UNIT), re.MULTILINE)
    return int(found[1]) if found else 0
