"""Which JetPack this is, and whether EdgeVLA runs on it."""

from __future__ import annotations

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.jetson import check_jetson, package_version, read_jetson
from tests.doctor.trees import ORIN, THOR, WORKSTATION, plant


def test_an_orin_with_jetpack_6_2_is_right(tmp_path):
    finding = check_jetson(read_jetson(plant(tmp_path, ORIN)))
    assert finding.level is Level.OK
    for fact in ("Orin Nano", "R36.4.3", "6.2+b77"):
        assert fact in finding.found


def test_a_thor_with_jetpack_7_1_is_right(tmp_path):
    finding = check_jetson(read_jetson(plant(tmp_path, THOR)))
    assert (finding.level, "R38.4.0" in finding.found) == (Level.OK, True)


def test_what_is_no_jetson_is_said_in_one_line(tmp_path):
    jetson = read_jetson(plant(tmp_path, WORKSTATION))
    assert jetson is None
    assert check_jetson(jetson).level is Level.SKIP


@pytest.mark.parametrize(
    ("release", "level"),
    [
        ("R35 (release), REVISION: 6.0", Level.FAIL),
        ("R36 (release), REVISION: 3.0", Level.FAIL),  # JetPack 6.0 has TensorRT 8.6
        ("R36 (release), REVISION: 4.0", Level.OK),
        ("R39 (release), REVISION: 2.1", Level.OK),
        ("R41 (release), REVISION: 0.0", Level.WARN),
        ("something else", Level.WARN),
    ],
)
def test_other_releases(tmp_path, release, level):
    finding = check_jetson(read_jetson(plant(tmp_path, {**ORIN, "etc/nv_tegra_release": f"# {release}, GCID: 1\n"})))
    assert finding.level is level
    assert bool(finding.fix) == (level is not Level.OK)


def test_without_the_libraries_of_jetpack_the_fix_installs_them(tmp_path):
    finding = check_jetson(read_jetson(plant(tmp_path, {**ORIN, "var/lib/dpkg/status": None})))
    assert finding.level is Level.WARN
    assert finding.fix == "sudo apt-get install -y nvidia-jetpack"


def test_a_package_that_was_removed_is_not_installed(tmp_path):
    status = "Package: nvidia-jetpack\nStatus: deinstall ok config-files\nVersion: 6.2\n"
    assert package_version(plant(tmp_path, {"var/lib/dpkg/status": status}), "nvidia-jetpack") == ""
