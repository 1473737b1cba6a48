"""HTTP cameras, against a real server on loopback."""

import socket
import time

import numpy as np
import pytest

from edgevla.cameras import mjpeg, open_camera
from edgevla.cameras.mjpeg import MjpegCapture
from edgevla.cameras.source import CameraLost, CameraMissing, CameraMode


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(mjpeg, "TIMEOUT_S", 0.3)


@pytest.fixture
def connect(camera):
    captures = []

    def to(address, **entry):
        captures.append(MjpegCapture(camera(address, **entry)))
        return captures[-1]

    yield to
    for capture in captures:
        capture.close()


def hang(_send):
    time.sleep(1.0)


def test_a_picture_comes_with_its_capture_time(serve, connect, part, picture):
    t_s = time.monotonic() - 0.05

    def script(send):
        send(part(picture(colour=(200, 30, 90)), t_s))
        hang(send)

    got_s, image = connect(serve(script)).read()
    assert got_s == pytest.approx(t_s, abs=1e-5)
    assert np.abs(image.reshape(-1, 3).mean(0) - (200, 30, 90)).max() < 4


def test_without_a_time_stamp_the_arrival_counts(serve, connect, part, picture):
    def script(send):
        send(part(picture()))
        hang(send)

    before_s = time.monotonic()
    got_s, _ = connect(serve(script)).read()
    assert before_s <= got_s <= time.monotonic()


def test_of_a_backlog_only_the_newest_picture_is_decoded(serve, connect, part, picture):
    def script(send):
        send(b"".join(part(picture(colour=(grey, grey, grey))) for grey in range(0, 250, 10)))
        hang(send)

    capture = connect(serve(script))
    time.sleep(0.1)
    brightness = 0.0
    for _ in range(3):  # the kernel may hand the backlog over in pieces, the last of which is the newest
        brightness = capture.read()[1].mean()
        if brightness > 230:
            break
    assert brightness > 230


def test_an_undecodable_picture_is_skipped(serve, connect, part, picture):
    def script(send):
        send(part(picture()[:200]))
        time.sleep(0.05)
        send(part(picture(colour=(10, 200, 10))))
        hang(send)

    assert connect(serve(script)).read()[1][..., 1].mean() > 190


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_sends_only_rubbish_is_lost(serve, connect, part):
    def script(send):
        while True:
            send(part(b"not a picture"))
            time.sleep(0.02)

    with pytest.raises(CameraLost, match="not a complete JPEG"):
        connect(serve(script)).read()


def test_another_size_is_refused_before_it_is_decoded(serve, connect, part, picture):
    huge = bytearray(picture())
    at = huge.index(b"\xff\xc0")
    huge[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(CameraMode, match=r"delivers 65535x65535, robot.yaml asks for 32x24"):
        connect(serve(lambda send: send(part(bytes(huge))))).read()


@pytest.mark.usefixtures("impatient")
def test_a_silent_camera_is_lost(serve, connect):
    with pytest.raises(CameraLost, match="timed out"):
        connect(serve(hang)).read()


def test_a_stream_that_ends_is_lost(serve, connect):
    with pytest.raises(CameraLost, match="ended the stream"):
        connect(serve(lambda send: None)).read()


def test_a_stream_that_is_not_multipart_is_lost(serve, connect):
    with pytest.raises(CameraLost, match="no part begins"):
        connect(serve(lambda send: send(b"x" * 10_000))).read()


@pytest.mark.parametrize(
    ("answer", "what"),
    [({"status": 404}, "answered 404"), ({"content_type": "text/html"}, "'text/html' is no multipart stream")],
)
def test_an_answer_that_is_no_stream_is_refused(serve, connect, answer, what):
    with pytest.raises(CameraMissing, match=what):
        connect(serve(lambda send: None, **answer))


@pytest.mark.parametrize("address", ["ftp://robot/front", "http://", "http://robot:port/", "/dev/video0"])
def test_what_is_no_address_is_refused(connect, address):
    with pytest.raises(CameraMissing, match="correct the address"):
        connect(address)


def test_a_closed_port_is_named_with_the_fix(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(CameraMissing, match=r"camera front \(http://127.*refused - start the camera's server"):
        connect(address)


def test_a_server_that_dies_and_returns_is_found_again(serve, camera, part, picture, until):
    def script(send):
        for _ in range(3):
            send(part(picture(), time.monotonic()))
            time.sleep(0.01)

    source = open_camera(camera(serve(script)))
    try:
        until(lambda: source.latest().seq >= 4)
        assert source.latest().image.shape == (24, 32, 3)
    finally:
        source.close()
