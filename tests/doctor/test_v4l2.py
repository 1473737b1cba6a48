"""The kernel's questions about a camera, answered by a driver made of tables in the layout of linux/videodev2.h."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from edgevla.doctor.v4l2 import ask_device, read_offer

# As a C compiler gives them for linux/videodev2.h: request number and size of its struct.
QUERYCAP, CAPABILITY = 0x80685600, 104
ENUM_FMT, FMTDESC = 0xC0405602, 64
ENUM_FRAMESIZES, FRMSIZEENUM = 0xC02C564A, 44
ENUM_FRAMEINTERVALS, FRMIVALENUM = 0xC034564B, 52


class Driver:
    """`sizes`: of a format discrete pairs, or one (low, high, step, low, high, step); `rates` likewise by size."""

    def __init__(self, sizes, rates=None, *, capabilities=0x84200001, device_caps=0x04200001):
        self.sizes, self.rates = sizes, rates or {}
        self.capabilities, self.device_caps = capabilities, device_caps
        self.asked = []

    def __call__(self, request, data):
        self.asked.append(request)
        if request == QUERYCAP:
            assert len(data) == CAPABILITY
            data[16:48] = b"HD Webcam".ljust(32, b"\0")
            struct.pack_into("II", data, 84, self.capabilities, self.device_caps)
        elif request == ENUM_FMT:
            assert len(data) == FMTDESC
            index, kind = struct.unpack_from("II", data)
            assert kind == 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
            data[44:48] = self.nth(list(self.sizes), index)
        elif request == ENUM_FRAMESIZES:
            assert len(data) == FRMSIZEENUM
            index, code = struct.unpack_from("I4s", data)
            numbers = self.nth(self.sizes[code], index)
            struct.pack_into(f"{1 + len(numbers)}I", data, 8, 1 if len(numbers) == 2 else 3, *numbers)
        elif request == ENUM_FRAMEINTERVALS:
            assert len(data) == FRMIVALENUM
            index, code, width, height = struct.unpack_from("I4sII", data)
            numbers = self.nth(self.rates.get((code, width, height), []), index)
            struct.pack_into(f"{1 + len(numbers)}I", data, 16, 1 if len(numbers) == 2 else 3, *numbers)

    @staticmethod
    def nth(table, index):
        if index >= len(table):
            raise OSError(errno.EINVAL, "Invalid argument")
        return table[index]


def test_a_webcam_lists_its_formats_sizes_and_the_rates_at_the_wanted_size():
    driver = Driver(
        {b"MJPG": [(1280, 720), (640, 480)], b"YUYV": [(640, 480)]},
        {(b"MJPG", 640, 480): [(1, 15), (1, 30)], (b"YUYV", 640, 480): [(1, 10)]},
    )
    offer = read_offer(driver, 640, 480)
    assert (offer.card, offer.captures) == ("HD Webcam", True)
    mjpg, yuyv = offer.formats
    assert (mjpg.fourcc, mjpg.sizes, mjpg.has_wanted) == ("MJPG", ((1280, 720), (640, 480)), True)
    assert mjpg.rates_hz == (30.0, 15.0)
    assert (yuyv.fourcc, yuyv.rates_hz) == ("YUYV", (10.0,))


def test_rates_are_asked_for_only_at_a_size_that_is_offered():
    driver = Driver({b"MJPG": [(1280, 720)]}, {(b"MJPG", 640, 480): [(1, 30)]})
    assert [each.has_wanted for each in read_offer(driver, 640, 480).formats] == [False]
    assert ENUM_FRAMEINTERVALS not in driver.asked


@pytest.mark.parametrize(("width", "wanted"), [(32, True), (640, True), (648, True), (641, False), (4000, False)])
def test_a_sensor_may_offer_a_range_of_sizes(width, wanted):
    driver = Driver({b"RG10": [(32, 3280, 8, 32, 2464, 8)]}, {(b"RG10", width, 480): [(1, 60, 1, 5, 1, 1)]})
    (format_,) = read_offer(driver, width, 480).formats
    assert format_.has_wanted is wanted
    assert format_.sizes == ((32, 32), (3280, 2464))
    assert format_.rates_hz == ((60.0, 5.0) if wanted else ())


def test_the_device_beside_a_camera_delivers_metadata_only():
    driver = Driver({b"MJPG": [(640, 480)]}, device_caps=0x04A00000)
    offer = read_offer(driver, 640, 480)
    assert (offer.captures, offer.formats) == (False, ())


def test_an_old_driver_speaks_for_the_device_too():
    assert read_offer(Driver({}, capabilities=0x05000001, device_caps=0), 1, 1).captures


def test_a_driver_that_never_says_no_more_holds_nobody_up():
    endless = Driver({b"MJPG": [(640, 480)]})
    endless.nth = lambda table, index: table[0]
    assert len(read_offer(endless, 1, 1).formats) <= 256


def test_any_other_error_is_not_taken_for_an_end():
    def unplugged(request, data):
        raise OSError(errno.ENODEV, "No such device")

    with pytest.raises(OSError, match="No such device"):
        read_offer(unplugged, 640, 480)


def test_what_is_no_camera_says_so():
    with pytest.raises(OSError, match="ioctl"):
        ask_device(os.devnull, 640, 480)
