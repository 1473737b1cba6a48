"""The servo bus: is the port there, may this user open it, does somebody else have it, does it answer at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.doctor.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from edgevla.doctor.machine import Holder, Machine

_ADAPTERS = ("/dev/ttyACM[0-9]*", "/dev/ttyUSB[0-9]*")
_RULES = "/etc/udev/rules.d/70-edgevla.rules"
_SLOW_MS = 2  # FTDI's timer stands at 16 ms unless somebody sets it: two thirds of a tick at 50 Hz


def check_port(machine: Machine, port: str, robot_yaml: Path) -> list[Finding]:
    """Everything about the port that robot.yaml names. What keeps it from being opened ends the list."""
    program = Path(sys.prefix, "bin", "edgevla")  # which sudo does not find by its name in an environment of one's own
    name, rules = f"port {port}", f"sudo {program} service install {robot_yaml}, and plug the adapter in again"
    node = machine.node(port)
    adapters = [each for pattern in _ADAPTERS for each in machine.names(pattern)]
    if node is None:
        return [_missing(machine, name, adapters)]
    device = machine.device(port)
    who = f"{device}, " if device != port else ""
    who += f"{node.owner}:{node.group} {node.mode:o}"
    if not node.is_character:
        return [fail(name, f"{who}: is no device", "set motors.port in robot.yaml to the servo adapter")]
    if not node.allowed:
        closed = node.group == "root" or not node.mode & 0o060
        fix = rules if closed else f"sudo usermod -aG {node.group} {machine.user}, and log in again"
        return [fail(name, f"{who}: {machine.user} may not open it", fix)]
    found = [_holder(machine, name, device, who), _others(machine, device, rules)]
    if latency := _latency(machine, device, rules):
        found.append(latency)
    if device == port and len(adapters) > 1 and port in adapters:
        fix = f"name one of these in robot.yaml: {', '.join(_lasting(machine, device)) or '/dev/serial/by-id/...'}"
        found.append(warn(f"{name}, its name", f"one of {len(adapters)} adapters: the next start may swap them", fix))
    return found


def in_use(name: str, holders: list[Holder], who: str) -> Finding | None:
    """Say that another program has a device open; None when nobody does."""
    strangers = [holder for holder in holders if not holder.is_ours]
    if strangers:
        by = ", ".join(f"{holder.name} (process {holder.pid})" for holder in strangers)
        return fail(name, f"{who}: in use by {by}", f"kill {' '.join(str(holder.pid) for holder in strangers)}")
    if holders:
        return ok(name, f"{who}: in use by EdgeVLA (process {holders[0].pid})")
    return None


def _missing(machine: Machine, name: str, adapters: list[str]) -> Finding:
    if machine.processes("brltty"):
        return fail(name, "not there; brltty runs, which takes CH340 and CP210x adapters", "sudo apt-get remove brltty")
    if adapters:
        fix = f"set motors.port in robot.yaml to {adapters[0]}"
        return fail(name, f"not there; there {'is' if len(adapters) == 1 else 'are'} {', '.join(adapters)}", fix)
    return fail(name, "not there, and no other servo adapter either", "plug it in; ls -l /dev/serial/by-id")


def _holder(machine: Machine, name: str, device: str, who: str) -> Finding:
    holders, closed = machine.holders(device)
    if found := in_use(name, holders, who):
        return found
    if closed:
        return ok(name, f"{who}: may be opened; {closed} processes of other users could not be looked into")
    return ok(name, f"{who}: may be opened, nobody has it")


def _latency(machine: Machine, device: str, rules: str) -> Finding | None:
    """FTDI only: how long the adapter waits for more before it hands bytes on. The port asks for 1 ms when opened."""
    tty = device.rsplit("/", 1)[1]
    timer_ms = machine.number(f"/sys/class/tty/{tty}/device/latency_timer")
    if timer_ms is None:
        return None
    name = "port latency"
    if timer_ms <= _SLOW_MS:
        return ok(name, f"FTDI timer {timer_ms} ms")
    fix = f"echo 1 | sudo tee /sys/class/tty/{tty}/device/latency_timer; to keep it: {rules}"
    return warn(name, f"FTDI timer {timer_ms} ms: an answer may wait as long", fix)


def _others(machine: Machine, device: str, rules: str) -> Finding:
    """Services that open every new port to see what it is, unless the rules of udev tell them not to."""
    name = "port owners"
    modems, braille = machine.processes("ModemManager"), machine.processes("brltty")
    number = machine.text(f"/sys/class/tty/{device.rsplit('/', 1)[1]}/dev")
    told = "ID_MM_DEVICE_IGNORE=1" in machine.text(f"/run/udev/data/c{number}") if number else False
    bothers = ["ModemManager"] if modems and not told else []
    bothers += ["brltty"] if braille and not machine.exists(_RULES) else []
    if bothers:
        return warn(name, f"{' and '.join(bothers)} may open a port that is plugged in, and write to it", rules)
    if modems or braille:
        return ok(name, "ModemManager or brltty runs, and leaves this port alone")
    return ok(name, "neither ModemManager nor brltty runs")


def _lasting(machine: Machine, device: str) -> list[str]:
    """Names of this device that stay the same."""
    links = machine.names("/dev/edgevla/*") + machine.names("/dev/serial/by-id/*")
    return [link for link in links if machine.device(link) == device]
