"""Devices and files through OpenCV. The file is a real one; a device is only refused here, none being at hand."""

import time

import cv2
import numpy as np
import pytest

from edgevla.cameras import open_camera
from edgevla.cameras.opencv import open_capture, rate_notes
from edgevla.cameras.source import CameraEnded, CameraMissing, CameraMode
from edgevla.plugins import PluginUnknown

FRAMES = 4


@pytest.fixture
def video(tmp_path):
    """A MJPG file at 50 Hz that goes from dark red to bright red."""
    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (32, 24))
    for frame in range(FRAMES):
        bgr = np.zeros((24, 32, 3), np.uint8)
        bgr[..., 2] = 50 * (frame + 1)
        writer.write(bgr)
    writer.release()
    return path


def test_a_file_is_played_in_rgb_at_its_own_rate_with_the_times_of_now(video, camera):
    capture = open_capture(camera(video, rate_hz=50))
    began_s = time.monotonic()
    frames = [capture.read() for _ in range(FRAMES)]
    times_s = [t_s for t_s, _ in frames]
    assert began_s <= times_s[0]
    assert np.all(np.diff(times_s) > 0.01)
    assert times_s[-1] <= time.monotonic()
    reds = [image[..., 0].mean() for _, image in frames]
    assert np.abs(np.subtract(reds, [50, 100, 150, 200])).max() < 6
    assert max(image[..., 1:].max() for _, image in frames) < 30
    with pytest.raises(CameraEnded, match="the video has ended"):
        capture.read()


def test_opened_by_robot_yaml_it_shows_its_last_frame_and_says_that_it_ended(video, camera, until):
    source = open_camera(camera(video, rate_hz=50))
    try:
        until(lambda: source.fault is not None)
        assert isinstance(source.fault, CameraEnded)
        assert source.latest().seq == FRAMES
        assert source.latest().image[..., 0].mean() > 190
    finally:
        source.close()


def test_another_size_than_asked_for_is_an_error(video, camera):
    with pytest.raises(CameraMode, match=r"delivers 32x24, robot\.yaml asks for 640x480 - write the size it delivers"):
        open_camera(camera(video, width=640, height=480))


def test_another_rate_than_asked_for_is_a_line(camera):
    entry = camera("/dev/video0", rate_hz=30)
    assert rate_notes(entry, 15.0) == ("asked /dev/video0 for 30 Hz, it delivers 15 Hz",)


@pytest.mark.parametrize("granted_hz", [30.0, 29.97, 0.0, -1.0])
def test_the_rate_asked_for_or_an_unknown_one_is_not_worth_a_line(camera, granted_hz):
    assert rate_notes(camera("/dev/video0", rate_hz=30), granted_hz) == ()


def test_a_missing_device_is_named_with_the_fix(camera):
    with pytest.raises(CameraMissing, match=r"camera front \(/dev/video77\): does not exist - plug it in"):
        open_capture(camera("/dev/video77"))


def test_a_device_that_is_no_camera_is_named(camera):
    with pytest.raises(CameraMissing, match=r"camera front \(/dev/null\): does not open"):
        open_capture(camera("/dev/null"))


def test_a_file_that_is_no_video_is_named(tmp_path, camera):
    path = tmp_path / "notes.avi"
    path.write_text("not a video")
    with pytest.raises(CameraMissing, match="is not a video that OpenCV can read"):
        open_capture(camera(path))


def test_an_unknown_kind_lists_the_known_ones(camera):
    with pytest.raises(PluginUnknown, match='there is no "webcam" - use one of: opencv'):
        open_camera(camera("/dev/video0", kind="webcam"))
