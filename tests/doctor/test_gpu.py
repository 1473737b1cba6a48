"""The GPU as a driver made of tables describes it."""

from __future__ import annotations

import ctypes

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.gpu import Gpu, NoGpu, check_driver, check_gpu, read_gpu
from tests.doctor.trees import ORIN, WORKSTATION, plant


class Driver:
    """libcuda: every call gives 0, or the code that was planted for it."""

    def __init__(self, **codes):
        self.codes = codes

    def __getattr__(self, call):
        return lambda *arguments: self.codes.get(call) or self.answer(call, arguments)

    @staticmethod
    def answer(call, arguments):
        if call == "cuDriverGetVersion":
            arguments[0]._obj.value = 12060
        elif call == "cuDeviceGetName":
            ctypes.memmove(arguments[0], b"Orin\0", 5)
        elif call == "cuDeviceGetAttribute":
            arguments[0]._obj.value = {75: 8, 76: 7}[arguments[1]]  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
        return 0


def no_library(name):
    raise OSError(f"{name}: cannot open shared object file")


def test_the_driver_is_asked_for_name_capability_and_version():
    assert read_gpu(lambda name: Driver()) == Gpu("Orin", (8, 7), "12.6")
    assert check_gpu(read_gpu(lambda name: Driver()), is_jetson=True, engine="tensorrt").level is Level.OK


def test_a_driver_without_a_device_is_told_from_no_driver():
    assert read_gpu(lambda name: Driver(cuInit=100)) == NoGpu("the driver sees no GPU", has_driver=True)
    assert read_gpu(lambda name: Driver(cuDeviceGetName=999)) == NoGpu("cuDeviceGetName: error 999", has_driver=True)
    assert not read_gpu(no_library).has_driver


@pytest.mark.parametrize(
    ("is_jetson", "engine", "level"),
    [
        (False, "cpu", Level.SKIP),
        (False, "cuda", Level.FAIL),
        (False, "tensorrt", Level.FAIL),
        (True, "cpu", Level.FAIL),
    ],
)
def test_it_is_missed_only_where_it_is_needed(is_jetson, engine, level):
    finding = check_gpu(read_gpu(no_library), is_jetson=is_jetson, engine=engine)
    assert finding.level is level
    assert bool(finding.fix) == (level is Level.FAIL)


def test_versions_of_driver_and_toolkit(tmp_path):
    finding = check_driver(plant(tmp_path, ORIN))
    assert finding.level is Level.OK
    assert "540.4.0" in finding.found
    assert "12.6.68" in finding.found


@pytest.mark.parametrize("version_json", [None, "{", "[]", '{"cuda": {}}'])
def test_a_toolkit_that_cannot_be_told_is_said_to_be_missing(tmp_path, version_json):
    finding = check_driver(plant(tmp_path, {**ORIN, "usr/local/cuda/version.json": version_json}))
    assert "no toolkit" in finding.found


def test_a_driver_of_a_workstation(tmp_path):
    version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\n"
    finding = check_driver(plant(tmp_path, {**WORKSTATION, "proc/driver/nvidia/version": version}))
    assert "550.54.14" in finding.found


def test_neither_is_nothing_to_tell(tmp_path):
    assert check_driver(plant(tmp_path, WORKSTATION)).level is Level.SKIP
