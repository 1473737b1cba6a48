"""How hot the machine is, and whether it is being slowed down because of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgevla.doctor.finding import Finding, fail, ok, skip, warn

if TYPE_CHECKING:
    from edgevla.doctor.machine import Machine

_MARGIN_C = 5.0  # below the temperature at which the machine switches itself off
_USUAL_C = 85.0  # where a zone names no trip point
_COOL = "let it cool, clean the fan: sudo systemctl restart nvfancontrol"
# Cooling devices that take speed away; a fan is one too, and may turn.
_SLOWING = ("cpufreq-", "thermal-cpufreq-", "devfreq-", "thermal-devfreq-", "Processor")


class Zone(NamedTuple):
    """A thermal zone."""

    name: str
    celsius: float
    slows_at_c: float | None
    ends_at_c: float | None


def read_zones(machine: Machine) -> list[Zone]:
    """Every zone that gives a temperature now."""
    zones = []
    for folder in machine.names("/sys/class/thermal/thermal_zone[0-9]*"):
        milli = machine.number(f"{folder}/temp")
        if milli is not None and milli > 0:  # -256000 and 0 stand for a part that is switched off
            name = machine.text(f"{folder}/type") or folder.rsplit("/", 1)[1]
            zones.append(Zone(name, milli / 1e3, _trip(machine, folder, "passive"), _trip(machine, folder, "critical")))
    return zones


def check_temperature(zones: list[Zone], *, is_jetson: bool) -> Finding:
    """Whether a zone is close to where the machine slows down, or switches itself off."""
    name = "temperature"
    if not zones:
        return skip(name, "unknown: /sys/class/thermal has no zone with a value")
    fix = _COOL if is_jetson else "let it cool, clean the fan"
    for zone in zones:
        if zone.ends_at_c is not None and zone.celsius >= zone.ends_at_c - _MARGIN_C:
            return fail(name, f"{zone.name} {zone.celsius:.0f} °C, off at {zone.ends_at_c:.0f} °C", fix)
    for zone in zones:
        slows_at_c = zone.slows_at_c if zone.slows_at_c is not None else _USUAL_C
        if zone.celsius >= slows_at_c:
            return warn(name, f"{zone.name} {zone.celsius:.0f} °C, slowed from {slows_at_c:.0f} °C", fix)
    hottest = max(zones, key=lambda zone: zone.celsius)
    return ok(name, f"{hottest.name} {hottest.celsius:.0f} °C, the hottest of {len(zones)} zones")


def check_throttling(machine: Machine) -> Finding:
    """Whether something takes speed away now, and whether the supply voltage has broken in since the start."""
    name = "throttling"
    devices = machine.names("/sys/class/thermal/cooling_device[0-9]*")
    kinds = {folder: kind for folder in devices if (kind := machine.text(f"{folder}/type")).startswith(_SLOWING)}
    slowed = [kind for folder, kind in kinds.items() if (machine.number(f"{folder}/cur_state") or 0) > 0]
    if slowed:
        return warn(name, f"slowed down now: {', '.join(slowed)}", "let it cool, or choose a lower power mode")
    # Of an Orin: under-voltage, average and instantaneous over-current. Short peaks are normal in the fastest mode.
    counts = {
        label: machine.number(f"{folder}/oc{number}_event_cnt") or 0
        for folder in machine.names("/sys/class/hwmon/hwmon[0-9]*")
        if machine.text(f"{folder}/name") == "soctherm_oc"
        for number, label in ((1, "under-voltage"), (2, "average over-current"), (3, "peak over-current"))
    }
    happened = ", ".join(f"{count} times {label}" for label, count in counts.items() if count)
    if counts.get("under-voltage") or counts.get("average over-current"):
        return warn(name, f"since the start: {happened}", "a stronger power supply, or a lower mode: sudo nvpmodel -q")
    if not kinds and not counts:
        return skip(name, "unknown: nothing here says whether it is slowed down")
    return ok(name, f"none now{f'; since the start {happened}' if happened else ''}")


def _trip(machine: Machine, folder: str, kind: str) -> float | None:
    """The lowest temperature at which something of that kind happens, in °C."""
    found = []
    for path in machine.names(f"{folder}/trip_point_*_type"):
        milli = machine.number(path.replace("_type", "_temp"))
        if machine.text(path) == kind and milli is not None and milli > 0:
            found.append(milli / 1e3)
    return min(found, default=None)
