"""The reader thread: always the newest frame, its true age, and a camera that comes back."""

import threading
import time

import numpy as np
import pytest

from edgevla.cameras import newest
from edgevla.cameras.newest import NewestFrame
from edgevla.cameras.source import CameraEnded, CameraLost, CameraMissing

over = threading.Event()


class Scripted:
    """A capture that hands out what the test puts in, (time, brightness) or an error, and then waits."""

    notes = ("asked for 30 Hz, it delivers 15 Hz",)

    def __init__(self, *steps):
        self.steps = list(steps)
        self.closed = False

    def read(self):
        while not self.steps:
            if over.wait(0.002):
                return 0.0, np.zeros((2, 2, 3), np.uint8)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        t_s, brightness = step
        return t_s, np.full((2, 2, 3), brightness, np.uint8)

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def quick_reopening(monkeypatch):
    monkeypatch.setattr(newest, "REOPEN_FIRST_S", 0.005)
    monkeypatch.setattr(newest, "REOPEN_LONGEST_S", 0.02)


@pytest.fixture
def lost(camera):
    return CameraLost(camera("/dev/video0"), "stopped delivering")


@pytest.fixture
def run():
    sources = []

    def start(open_capture):
        source = NewestFrame("front", open_capture)
        sources.append(source)
        return source

    over.clear()
    yield start
    over.set()
    for source in sources:
        source.close()


def test_the_first_frame_is_there_at_once(run):
    frame = run(lambda: Scripted((5.0, 7))).latest()
    assert (frame.t_s, frame.seq, frame.image[0, 0].tolist()) == (5.0, 1, [7, 7, 7])


def test_a_frame_cannot_be_changed(run):
    with pytest.raises(ValueError, match="read-only"):
        run(lambda: Scripted((5.0, 7))).latest().image[0, 0] = 0


def test_only_the_newest_frame_is_kept(run, until):
    capture = Scripted((1.0, 1))
    source = run(lambda: capture)
    capture.steps += [(2.0, 2), (3.0, 3), (4.0, 4)]
    until(lambda: source.latest().seq == 4)
    assert source.latest().t_s == 4.0
    assert source.latest() is source.latest()


def test_identical_pictures_are_counted_until_one_differs(run, until):
    capture = Scripted((1.0, 9), (2.0, 9), (3.0, 9))
    source = run(lambda: capture)
    until(lambda: source.latest().seq == 3)
    assert source.identical_frames == 2
    capture.steps.append((4.0, 10))
    until(lambda: source.identical_frames == 0)


def test_a_camera_that_does_not_open_is_an_error_at_once(camera):
    def missing():
        raise CameraMissing(camera("/dev/video9"), "does not exist", fix="plug it in")

    with pytest.raises(CameraMissing, match=r"camera front \(/dev/video9\): does not exist - plug it in"):
        NewestFrame("front", missing)


def test_a_camera_without_a_first_frame_is_an_error_and_is_closed(lost):
    capture = Scripted(lost)
    with pytest.raises(CameraLost):
        NewestFrame("front", lambda: capture)
    assert capture.closed


def test_a_lost_camera_keeps_its_last_frame_says_why_and_comes_back(run, until, lost, camera):
    first, second = Scripted((1.0, 1), lost), Scripted((9.0, 9))
    may_open = threading.Event()
    opened = []

    def open_capture():
        if opened and not may_open.is_set():
            raise CameraMissing(camera("/dev/video0"), "does not exist")
        opened.append(1)
        return second if len(opened) > 1 else first

    source = run(open_capture)
    until(lambda: isinstance(source.fault, CameraMissing))
    assert first.closed
    assert source.latest().t_s == 1.0
    may_open.set()
    until(lambda: source.latest().seq == 2)
    assert source.fault is None


def test_the_pauses_between_attempts_grow(run, until, lost, camera):
    attempts_s = []
    first = Scripted((1.0, 1), lost)

    def open_capture():
        attempts_s.append(time.monotonic())
        if len(attempts_s) > 1:
            raise CameraMissing(camera("/dev/video0"), "does not exist")
        return first

    run(open_capture)
    until(lambda: len(attempts_s) >= 5)
    assert np.all(np.diff(attempts_s[1:5]) >= [0.01, 0.02, 0.02])


def test_a_video_that_has_ended_is_not_opened_again(run, until, camera):
    opened = []

    def open_capture():
        opened.append(1)
        return Scripted((1.0, 1), CameraEnded(camera("/tmp/a.avi"), "the video has ended"))

    source = run(open_capture)
    until(lambda: isinstance(source.fault, CameraEnded))
    time.sleep(0.05)
    assert len(opened) == 1
    assert source.latest().seq == 1


def test_what_was_not_granted_is_said_once(run, until, lost, caplog):
    captures = [Scripted((1.0, 1), lost), Scripted((2.0, 2))]
    source = run(lambda: captures.pop(0))
    until(lambda: source.latest().seq >= 2)
    assert [record.getMessage() for record in caplog.records] == ["camera front: asked for 30 Hz, it delivers 15 Hz"]


def test_closing_ends_the_thread_and_closes_the_camera(run):
    capture = Scripted((1.0, 1))
    source = run(lambda: capture)
    over.set()
    source.close()
    assert capture.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "camera-front"]
