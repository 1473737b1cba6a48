"""The capture time of a frame: honest about age, whatever the camera claims."""

import math

import pytest

from edgevla.cameras.stamp import Stamp


def test_a_stamp_on_our_clock_is_the_capture_time():
    assert Stamp().capture_s(99.9, arrival_s=100.0) == 99.9


def test_without_a_stamp_the_arrival_counts():
    assert Stamp().capture_s(None, arrival_s=100.0) == 100.0


@pytest.mark.parametrize("foreign", [1.7e9, 3.0, -1.0, math.nan, math.inf])
def test_a_stamp_of_another_clock_is_never_believed_again(foreign):
    stamp = Stamp()
    assert stamp.capture_s(foreign, arrival_s=100.0) == 100.0
    assert stamp.capture_s(100.0, arrival_s=100.1) == 100.1


def test_a_picture_that_was_stuck_stays_old():
    stamp = Stamp()
    stamp.capture_s(99.9, arrival_s=100.0)
    assert stamp.capture_s(100.0, arrival_s=105.0) == 100.0


@pytest.mark.parametrize("bad", [200.0, math.nan])
def test_a_later_stamp_cannot_come_from_the_future(bad):
    stamp = Stamp()
    stamp.capture_s(99.9, arrival_s=100.0)
    assert stamp.capture_s(bad, arrival_s=100.1) == 100.1
