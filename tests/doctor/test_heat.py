"""Heat, and what is taken away because of it."""

from __future__ import annotations

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.heat import check_temperature, check_throttling, read_zones
from tests.doctor.trees import ORIN, WORKSTATION, plant

ZONE = "sys/class/thermal/thermal_zone0/"


@pytest.mark.parametrize(
    ("milli", "level"),
    [("48500", Level.OK), ("98900", Level.OK), ("99000", Level.WARN), ("99500", Level.FAIL), ("120000", Level.FAIL)],
)
def test_a_zone_is_judged_by_its_own_trip_points(tmp_path, milli, level):
    finding = check_temperature(read_zones(plant(tmp_path, {**ORIN, f"{ZONE}temp": milli})), is_jetson=True)
    assert finding.level is level
    assert "cpu-thermal" in finding.found


def test_a_zone_without_trip_points_is_judged_by_what_is_usual(tmp_path):
    tree = {**WORKSTATION, f"{ZONE}type": "x86_pkg_temp", f"{ZONE}temp": "86000"}
    assert check_temperature(read_zones(plant(tmp_path, tree)), is_jetson=False).level is Level.WARN


@pytest.mark.parametrize("value", ["", "-256000", "0", "not a number"])
def test_a_zone_that_is_switched_off_is_left_out(tmp_path, value):
    extra = {"sys/class/thermal/thermal_zone9/type": "cv0-thermal", "sys/class/thermal/thermal_zone9/temp": value}
    assert [zone.name for zone in read_zones(plant(tmp_path, {**ORIN, **extra}))] == ["cpu-thermal"]


def test_no_zone_at_all_is_unknown(tmp_path):
    machine = plant(tmp_path, WORKSTATION)
    assert check_temperature(read_zones(machine), is_jetson=False).level is Level.SKIP
    assert check_throttling(machine).level is Level.SKIP


def test_short_peaks_of_current_and_a_turning_fan_are_normal(tmp_path):
    finding = check_throttling(plant(tmp_path, ORIN))
    assert finding.level is Level.OK
    assert "17 times peak over-current" in finding.found


def test_a_processor_that_is_slowed_down_now_is_named(tmp_path):
    finding = check_throttling(plant(tmp_path, {**ORIN, "sys/class/thermal/cooling_device0/cur_state": "3"}))
    assert finding.level is Level.WARN
    assert "cpufreq-cpu0" in finding.found


@pytest.mark.parametrize(("count", "what"), [("oc1", "under-voltage"), ("oc2", "average over-current")])
def test_a_weak_power_supply_is_told_by_its_counters(tmp_path, count, what):
    finding = check_throttling(plant(tmp_path, {**ORIN, f"sys/class/hwmon/hwmon3/{count}_event_cnt": "2"}))
    assert finding.level is Level.WARN
    assert f"2 times {what}" in finding.found
