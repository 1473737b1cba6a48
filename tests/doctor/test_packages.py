"""What this robot needs of Python, and what stands in the way of JetPack's own."""

from __future__ import annotations

from importlib import metadata

import msgspec
import pytest

from edgevla.config.load import load_robot
from edgevla.config.robot import Console, Overlay, Recording
from edgevla.config.units import SizeBytes
from edgevla.doctor.finding import Level
from edgevla.doctor.packages import (
    Package,
    Requirement,
    check_packages,
    check_python,
    check_shadows,
    needed,
    read_packages,
    read_requirements,
)
from edgevla.shipped import shipped

LINES = [
    "numpy>=1.26",
    "PyYAML>=6",
    'onnxruntime>=1.18; extra == "cpu"',
    'opencv-python>=4.8; extra == "cpu"',
    'onnxruntime-gpu>=1.18; extra == "gpu"',
    "onnxruntime>=1.18; extra == 'jetson'",
    'pycuda>=2024.1; extra == "jetson"',
    'mujoco<4,>=3.2; extra == "sim"',
    'PyOpenGL>=3.1; extra == "sim"',
    'tritonclient[grpc]>=2.50; extra == "triton"',
    'starlette>=0.40; extra == "console"',
    'mcap>=1.6; extra == "record"',
    'torch>=2.4; extra == "distill"',
]
SYSTEM = "/usr/lib/python3/dist-packages"
VENV = "/opt/edgevla/lib/python3.10/site-packages"


@pytest.fixture(scope="module")
def robot():
    return msgspec.structs.replace(load_robot(shipped("so101-tabletop") / "robot.yaml"), console=None)


def names(robot=None, engine="cpu", installed=(), *, is_jetson=False):
    packages = {name: Package(name, "9", VENV) for name in installed}
    return {each.name for each in needed(read_requirements(LINES), robot, engine, packages, is_jetson=is_jetson)}


@pytest.mark.parametrize("version", [(3, 10, 12), (3, 11, 2), (3, 12, 0)])
def test_python_3_10_to_3_12_will_do(version):
    assert check_python(version, "/opt/edgevla").level is Level.OK


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 13, 0)])
def test_other_pythons_will_not(version):
    assert check_python(version, "/opt/edgevla").level is Level.FAIL


def test_a_line_of_metadata_is_a_name_with_bounds_and_an_extra():
    assert read_requirements(['mujoco<4,>=3.2; extra == "sim"', "tritonclient[grpc] (>=2.50)", "numpy"]) == [
        Requirement("mujoco", "<4,>=3.2", "sim"),
        Requirement("tritonclient", ">=2.50", ""),
        Requirement("numpy", "", ""),
    ]


def test_without_a_robot_what_runs_a_policy_is_needed_and_no_more():
    assert names() == {"numpy", "pyyaml", "onnxruntime"}
    assert names(installed=["onnxruntime-gpu"]) == {"numpy", "pyyaml", "onnxruntime-gpu"}
    assert names(is_jetson=True) == {"numpy", "pyyaml", "onnxruntime"}


def test_an_engine_brings_its_own_needs():
    assert "pycuda" in names(engine="tensorrt", is_jetson=True)
    assert "tritonclient" in names(engine="triton:127.0.0.1:8001/policy")


def test_a_section_of_robot_yaml_brings_its_own_needs(robot):
    assert names(robot) == names()
    assert names(msgspec.structs.replace(robot, console=Console())) - names() == {"starlette"}
    overlay = Console(overlay=Overlay(model="m.xml", site="tip", cameras={}))
    assert names(msgspec.structs.replace(robot, console=overlay)) - names() == {"starlette", "mujoco"}
    recording = Recording(folder="log", quota=SizeBytes(1e9))
    assert names(msgspec.structs.replace(robot, recording=recording)) - names() == {"mcap"}


@pytest.mark.parametrize(
    ("version", "bounds", "level"),
    [
        ("3.3.7", "<4,>=3.2", Level.OK),
        ("3.2", ">=3.2.0", Level.OK),
        ("4.0.0", "<4,>=3.2", Level.FAIL),
        ("3.10.0", ">=3.9", Level.OK),  # numbers, not text
        ("2.2.6+cu12", ">=2.2", Level.OK),
        ("3.1.9", ">=3.2", Level.FAIL),
        ("1.6", "!=1.6,>=1", Level.FAIL),
        ("1.6", "", Level.OK),
    ],
)
def test_versions_are_compared_as_numbers(version, bounds, level):
    installed = {"mujoco": Package("mujoco", version, VENV)}
    (finding,) = check_packages([Requirement("mujoco", bounds, "sim")], installed)
    assert finding.level is level
    assert ("[sim]" in finding.fix) == (level is Level.FAIL)


def test_what_is_missing_has_a_line_of_its_own():
    wanted = [Requirement("mcap", ">=1.6", "record"), Requirement("numpy", ">=1.26", "")]
    (finding,) = check_packages(wanted, {"numpy": Package("numpy", "2.2.6", VENV)})
    assert (finding.name, finding.level) == ("package mcap", Level.FAIL)
    assert "[record]" in finding.fix


def test_a_robot_runs_without_what_its_console_needs():
    (finding,) = check_packages([Requirement("starlette", ">=0.40", "console")], {})
    assert (finding.level, "[console]" in finding.fix) == (Level.WARN, True)


@pytest.mark.parametrize(
    "name", ["opencv-python", "opencv-python-headless", "opencv-contrib-python", "tensorrt", "tensorrt-cu12"]
)
def test_a_wheel_in_front_of_jetpacks_own_is_to_go(name):
    (finding,) = check_shadows({name: Package(name, "4.12", VENV)}, is_jetson=True)
    assert finding.level is Level.WARN
    assert finding.fix.endswith(f"-m pip uninstall -y {name}")


def test_what_apt_installed_is_jetpacks_own_and_elsewhere_wheels_are_welcome():
    assert check_shadows({"tensorrt": Package("tensorrt", "10.3.0", SYSTEM)}, is_jetson=True) == []
    assert check_shadows({"opencv-python": Package("opencv-python", "4.12", VENV)}, is_jetson=False) == []


def test_this_installation_can_be_read():
    installed = read_packages()
    assert installed["numpy"].version == metadata.version("numpy")
    assert "pyyaml" in installed
    assert "numpy" in {each.name for each in read_requirements()}
