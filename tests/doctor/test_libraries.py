"""OpenCV and TensorRT by what importing them says."""

from __future__ import annotations

import sys

import pytest

from edgevla.doctor.finding import Level
from edgevla.doctor.libraries import check_opencv, check_tensorrt
from edgevla.doctor.machine import Answer, Machine

JETPACK_6 = (
    "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.2.6 as it may crash.\n"
    "ImportError: numpy.core.multiarray failed to import"
)


def machine(code=0, out="", err=""):
    return Machine(ask=lambda words: Answer(code, out, err))


def tensorrt(answering, *, is_jetson=True, engine="tensorrt", system_packages=True):
    return check_tensorrt(answering, is_jetson=is_jetson, engine=engine, system_packages=lambda: system_packages)


def test_opencv_of_this_installation_is_imported_in_another_process():
    finding = check_opencv(Machine(), is_jetson=False)
    assert finding.level is Level.OK
    assert "GStreamer" in finding.found
    assert "cv2" in finding.found


@pytest.mark.parametrize(
    ("gstreamer", "is_jetson", "level"),
    [("YES", True, Level.OK), ("NO", True, Level.WARN), ("NO", False, Level.OK)],
)
def test_on_a_jetson_opencv_without_gstreamer_reads_no_csi_camera(gstreamer, is_jetson, level):
    finding = check_opencv(machine(out=f"4.8.0 {gstreamer} /usr/lib/cv2.so"), is_jetson=is_jetson)
    assert finding.level is level
    assert ("uninstall" in finding.fix) == (level is Level.WARN)


@pytest.mark.parametrize("err", [JETPACK_6, JETPACK_6.splitlines()[-1]])
def test_jetpacks_opencv_does_not_load_with_numpy_2(err):
    finding = check_opencv(machine(code=1, err=err), is_jetson=True)
    assert finding.level is Level.FAIL
    assert finding.found == "ImportError: numpy.core.multiarray failed to import"
    assert finding.fix == f'{sys.executable} -m pip install "numpy<2"'


def test_a_missing_opencv_comes_by_pip_or_with_jetpack():
    gone = machine(code=1, err="Traceback ...\nModuleNotFoundError: No module named 'cv2'")
    assert check_opencv(gone, is_jetson=False).fix == f"{sys.executable} -m pip install opencv-python"
    assert check_opencv(gone, is_jetson=True).fix.startswith("sudo apt-get install -y nvidia-jetpack")


def test_tensorrt_is_not_looked_for_where_nothing_runs_on_it():
    def never(words):
        raise AssertionError(words)

    assert tensorrt(Machine(ask=never), is_jetson=False, engine="cpu").level is Level.SKIP


@pytest.mark.parametrize(("version", "level"), [("10.3.0", Level.OK), ("10.16.2", Level.OK), ("8.6.2", Level.FAIL)])
def test_the_version_has_to_be_one_that_engines_are_built_with(version, level):
    assert tensorrt(machine(out=f"{version} /usr/lib/python3.10/dist-packages/tensorrt")).level is level


@pytest.mark.parametrize(("engine", "level"), [("tensorrt", Level.FAIL), ("cpu", Level.WARN)])
def test_on_a_jetson_a_missing_tensorrt_is_as_bad_as_its_use(engine, level):
    gone = machine(code=1, err="ModuleNotFoundError: No module named 'tensorrt'")
    assert tensorrt(gone, engine=engine).level is level


def test_an_environment_that_does_not_see_the_systems_packages_is_made_anew():
    gone = machine(code=1, err="ModuleNotFoundError: No module named 'tensorrt'")
    assert "--system-site-packages" in tensorrt(gone, system_packages=False).fix
    assert tensorrt(gone).fix == "sudo apt-get install -y nvidia-jetpack"


def test_an_import_that_takes_its_process_down_is_no_trouble_here():
    killed = Machine(ask=lambda words: Answer(-11, "", ""))
    assert check_opencv(killed, is_jetson=False).found == "it ended without a word"
