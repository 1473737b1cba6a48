"""The cameras of robot.yaml against what is plugged in."""

from __future__ import annotations

import errno

import pytest

from edgevla.cameras.source import CameraMissing
from edgevla.config.robot import Camera
from edgevla.config.units import RateHz, TimeS
from edgevla.doctor.cameras import check_camera
from edgevla.doctor.finding import Level
from edgevla.doctor.v4l2 import Format, Offer
from tests.doctor.trees import CAMERA, ORIN, link, plant, process

VIDEO = "/dev/video0"
FRONT = Camera(name="front", kind="opencv", source=VIDEO, width=640, height=480, rate=RateHz(30), max_age=TimeS(0.2))
MJPG = Format("MJPG", ((640, 480), (1280, 720)), has_wanted=True, rates_hz=(30.0, 15.0))
YUYV = Format("YUYV", ((640, 480),), has_wanted=True, rates_hz=(10.0,))


def offering(*formats, captures=True):
    return lambda path, width, height: Offer("HD Webcam", captures, formats)


def changed(**changes):
    fields = {name: getattr(FRONT, name) for name in FRONT.__struct_fields__}
    return Camera(**{**fields, **changes})


@pytest.fixture
def machine(tmp_path):
    return plant(tmp_path, ORIN, {VIDEO: CAMERA})


def test_a_camera_that_offers_what_is_asked_for_is_right(machine):
    finding = check_camera(machine, FRONT, offering(YUYV, MJPG))
    assert finding.level is Level.OK
    assert "HD Webcam, 640x480 MJPG at 30, 15 Hz" in finding.found


@pytest.mark.parametrize(
    ("rate", "level"), [(29.97, Level.OK), (15.0, Level.OK), (25.0, Level.WARN), (60.0, Level.WARN)]
)
def test_a_rate_that_is_not_offered_names_the_nearest(machine, rate, level):
    finding = check_camera(machine, changed(rate=RateHz(rate)), offering(MJPG))
    assert finding.level is level
    assert finding.fix == ("write rate: 30 Hz in robot.yaml" if level is Level.WARN else "")


def test_the_rate_that_counts_is_of_the_format_that_the_runtime_asks_for(machine):
    assert check_camera(machine, changed(rate=RateHz(10)), offering(YUYV, MJPG)).level is Level.WARN
    assert check_camera(machine, changed(rate=RateHz(10)), offering(YUYV)).level is Level.OK


def test_a_size_that_is_not_offered_names_the_nearest(machine):
    formats = [each._replace(has_wanted=False, rates_hz=()) for each in (MJPG, YUYV)]
    finding = check_camera(machine, changed(width=288, height=288), offering(*formats))
    assert finding.level is Level.FAIL
    assert "640x480, 1280x720" in finding.found
    assert finding.fix == "write width: 640, height: 480 in robot.yaml"


def test_a_driver_that_does_not_say_how_fast_is_believed(machine):
    assert check_camera(machine, FRONT, offering(MJPG._replace(rates_hz=()))).level is Level.OK


def test_the_metadata_device_of_a_camera_is_no_camera(machine):
    finding = check_camera(machine, FRONT, offering(captures=False))
    assert finding.level is Level.FAIL
    assert "index0" in finding.fix


def test_a_camera_that_is_not_there_names_those_that_are(machine):
    finding = check_camera(machine, changed(source="/dev/video2"), offering(MJPG))
    assert (finding.level, finding.fix) == (Level.FAIL, f"set its source in robot.yaml to one of: {VIDEO}")


def test_a_user_outside_the_group_is_told_how_to_join(tmp_path):
    machine = plant(tmp_path, ORIN, {VIDEO: CAMERA._replace(allowed=False)})
    finding = check_camera(machine, FRONT, offering(MJPG))
    assert (finding.level, finding.fix) == (Level.FAIL, "sudo usermod -aG video ann, and log in again")


def test_another_program_on_the_camera_is_named(machine, tmp_path):
    process(tmp_path, 31, "cheese", opens=[VIDEO])
    finding = check_camera(machine, FRONT, offering(MJPG))
    assert (finding.level, finding.fix) == (Level.FAIL, "kill 31")


def test_a_robot_that_runs_has_its_camera(machine, tmp_path):
    process(tmp_path, 31, "python3", words=("python3", "-m", "edgevla.runtime.policy_process"), opens=[VIDEO])
    assert check_camera(machine, FRONT, offering(MJPG)).level is Level.OK
    assert check_camera(machine, changed(rate=RateHz(60)), offering(MJPG)).level is Level.WARN


def test_a_lasting_name_leads_to_its_device(machine, tmp_path):
    link(tmp_path, "dev/v4l/by-id/usb-HD_Webcam-video-index0", "../../video0")
    asked = []

    def look(path, width, height):
        asked.append((path, width, height))
        return offering(MJPG)(path, width, height)

    assert check_camera(machine, changed(source="/dev/v4l/by-id/usb-HD_Webcam-video-index0"), look).level is Level.OK
    assert asked == [(str(tmp_path / "dev/video0"), 640, 480)]


def test_a_device_that_fails_when_it_is_asked_says_why(machine):
    def look(path, width, height):
        raise OSError(errno.ENODEV, "No such device")

    finding = check_camera(machine, FRONT, look)
    assert finding.level is Level.FAIL
    assert "No such device" in finding.found


def test_an_address_is_opened_as_the_policy_opens_it(machine):
    camera, opened = changed(source="http://127.0.0.1:1/front.mjpg"), []
    assert check_camera(machine, camera, try_out=opened.append).level is Level.OK
    assert opened == [camera]


def test_an_address_that_does_not_answer_is_wrong(machine):
    finding = check_camera(machine, changed(source="http://127.0.0.1:1/front.mjpg"))  # nobody listens on port 1
    assert finding.level is Level.FAIL
    assert "127.0.0.1:1" in finding.found
    assert finding.fix


def test_what_the_camera_itself_says_is_passed_on(machine):
    def missing(camera):
        raise CameraMissing(camera, "does not open", fix="close the program that uses it")

    finding = check_camera(machine, changed(source="clip.avi"), try_out=missing)
    assert (finding.level, finding.fix) == (Level.FAIL, "close the program that uses it")
