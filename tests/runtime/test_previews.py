"""Pictures for whoever watches: small, the newest, no more often than asked for, one at a time."""

import math

import cv2
import numpy as np
import pytest

from edgevla.cameras.source import Frame
from edgevla.messages import Pictures, Shutdown
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.previews import Previews, small_jpeg


class Source:
    """A camera that delivers what it is told to."""

    def __init__(self):
        self.frame = None

    def latest(self):
        return self.frame

    def see(self, t_s, value=0):
        self.frame = Frame(t_s, np.full((48, 64, 3), value, np.uint8), 1)


@pytest.fixture
def stage():
    ours, theirs = socket_pair()
    sources = {"front": Source(), "wrist": Source()}
    return sources, Previews(sources, Link(ours, Shutdown)), Link(theirs, Pictures)


def shown(link):
    return [(picture.camera, picture.t_s) for message in link.drain() for picture in message.pictures]


def decoded(data):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(("size", "small"), [((480, 640), (240, 320)), ((288, 288), (288, 288)), ((2, 4000), (1, 320))])
def test_a_picture_is_at_most_320_wide_and_keeps_its_shape_and_colours(size, small):
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = 200  # red
    back = decoded(small_jpeg(image))
    assert back.shape == (*small, 3)
    assert np.abs(back.mean(axis=(0, 1)) - (200, 0, 0)).max() < 6


def test_nobody_watches_nothing_is_shown(stage):
    sources, previews, link = stage
    sources["front"].see(1.0)
    previews.send_due(1.0)
    assert shown(link) == []


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, math.nan, -math.inf])
def test_what_is_no_rate_shows_nothing(stage, rate_hz):
    sources, previews, link = stage
    previews.set_rate(10.0)
    previews.set_rate(rate_hz)
    sources["front"].see(1.0)
    previews.send_due(1.0)
    assert shown(link) == []


def test_the_cameras_take_turns_one_picture_a_call(stage):
    sources, previews, link = stage
    previews.set_rate(10.0)
    for source in sources.values():
        source.see(1.0)
    previews.send_due(1.0)
    assert shown(link) == [("front", 1.0)]
    previews.send_due(1.001)
    assert shown(link) == [("wrist", 1.0)]
    previews.send_due(1.002)
    assert shown(link) == []


def test_a_picture_is_shown_once_and_not_before_it_is_due(stage):
    sources, previews, link = stage
    previews.set_rate(10.0)
    sources["front"].see(1.0)
    previews.send_due(1.0)
    previews.send_due(1.2)
    assert shown(link) == [("front", 1.0)]
    sources["front"].see(1.19)
    previews.send_due(1.2)
    sources["front"].see(1.25)
    previews.send_due(1.25)
    assert shown(link) == [("front", 1.19)]
    previews.send_due(1.31)
    assert shown(link) == [("front", 1.25)]


def test_nobody_gets_more_than_fifteen_a_second(stage):
    sources, previews, link = stage
    previews.set_rate(1000.0)
    for number in range(100):
        sources["front"].see(number / 100)
        previews.send_due(number / 100)
    assert 14 <= len(shown(link)) <= 16


def test_a_camera_that_shows_nothing_holds_up_no_other(stage):
    sources, previews, link = stage
    previews.set_rate(10.0)
    sources["wrist"].see(1.0)
    previews.send_due(1.0)
    assert shown(link) == [("wrist", 1.0)]
