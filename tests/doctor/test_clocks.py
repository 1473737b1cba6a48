"""Power mode and clocks of a Jetson, and the clock of any processor."""

from __future__ import annotations

import pytest

from edgevla.doctor.clocks import check_cpu_clock, check_gpu_clock, check_power_mode
from edgevla.doctor.finding import Level
from tests.doctor.trees import ORIN, THOR, WORKSTATION, plant

CPU = "sys/devices/system/cpu/cpufreq/policy0/scaling_"


@pytest.mark.parametrize("tree", [ORIN, THOR])
def test_the_fastest_mode_with_clocks_held_is_right(tmp_path, tree):
    machine = plant(tmp_path, tree)
    found = [check_power_mode(machine), check_gpu_clock(machine), check_cpu_clock(machine, is_jetson=True)]
    assert [each.level for each in found] == [Level.OK] * 3


def test_a_slower_mode_names_the_number_of_the_fastest(tmp_path):
    finding = check_power_mode(plant(tmp_path, {**ORIN, "var/lib/nvpmodel/status": "pmode:0000 fmode:quiet"}))
    assert finding.level is Level.WARN
    assert "15W (mode 0)" in finding.found
    assert finding.fix == "sudo nvpmodel -m 2"


def test_super_is_above_maxn_where_a_module_has_both(tmp_path):
    conf = "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=3 NAME=MAXN_SUPER >\n"
    tree = {**ORIN, "etc/nvpmodel.conf": conf, "var/lib/nvpmodel/status": "pmode:0000"}
    assert check_power_mode(plant(tmp_path, tree)).fix == "sudo nvpmodel -m 3"


def test_before_anybody_has_set_a_mode_it_is_the_one_it_starts_with(tmp_path):
    finding = check_power_mode(plant(tmp_path, {**ORIN, "var/lib/nvpmodel/status": None}))
    assert finding.level is Level.WARN
    assert "25W (mode 1)" in finding.found


@pytest.mark.parametrize("conf", [None, "", "< POWER_MODEL without end\n"])
def test_a_mode_that_cannot_be_read_is_unknown_and_not_guessed(tmp_path, conf):
    machine = plant(tmp_path, {**ORIN, "etc/nvpmodel.conf": conf, "var/lib/nvpmodel/status": None})
    assert check_power_mode(machine).level is Level.SKIP


@pytest.mark.parametrize(("tree", "gpu"), [(ORIN, "17000000.gpu"), (THOR, "gpu-gpc-0")])
def test_a_gpu_that_may_slow_down_wants_jetson_clocks(tmp_path, tree, gpu):
    finding = check_gpu_clock(plant(tmp_path, {**tree, f"sys/class/devfreq/{gpu}/min_freq": "306000000"}))
    assert (finding.level, finding.fix) == (Level.WARN, "sudo jetson_clocks")
    assert "306 to" in finding.found


@pytest.mark.parametrize(
    ("governor", "least", "level"),
    [
        ("performance", "729600", Level.OK),
        ("schedutil", "1728000", Level.OK),  # it may choose, of one
        ("schedutil", "729600", Level.WARN),
        ("powersave", "729600", Level.WARN),
    ],
)
def test_the_governor_of_the_processor(tmp_path, governor, least, level):
    tree = {**ORIN, f"{CPU}governor": governor, f"{CPU}min_freq": least}
    finding = check_cpu_clock(plant(tmp_path, tree), is_jetson=True)
    assert finding.level is level
    assert finding.fix == ("sudo jetson_clocks" if level is Level.WARN else "")


def test_elsewhere_the_fix_is_another_one(tmp_path):
    tree = {**WORKSTATION, f"{CPU}governor": "powersave", f"{CPU}min_freq": "1", f"{CPU}max_freq": "2"}
    finding = check_cpu_clock(plant(tmp_path, tree), is_jetson=False)
    assert finding.fix == "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"


def test_a_machine_without_cpufreq_has_nothing_to_set(tmp_path):
    assert check_cpu_clock(plant(tmp_path, WORKSTATION), is_jetson=False).level is Level.SKIP
