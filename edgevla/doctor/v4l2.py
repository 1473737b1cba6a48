"""What a V4L2 device offers, asked with the kernel's own calls (linux/videodev2.h); nothing is switched or started.

An open device is asked only, so this works while another program streams from it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ioctl = Callable[[int, bytearray], object]

_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
_CAPABILITY_BYTES, _FORMAT_BYTES, _SIZE_BYTES, _INTERVAL_BYTES = 104, 64, 44, 52
_VIDEO_CAPTURE = 0x1  # both as capability and as buffer type
_HAS_DEVICE_CAPS = 0x80000000
_DISCRETE = 1
_MOST = 256  # answers to one question: a driver that never says "no more" must not hold anybody up


class Format(NamedTuple):
    """One pixel format: its sizes, and how fast it delivers the wanted one."""

    fourcc: str
    sizes: tuple[tuple[int, int], ...]  # width, height; of a continuous range its two ends
    has_wanted: bool
    rates_hz: tuple[float, ...]  # at the wanted size; fastest first


class Offer(NamedTuple):
    """What a device says of itself."""

    card: str
    captures: bool  # a camera's second device delivers metadata, not pictures
    formats: tuple[Format, ...]


def ask_device(path: str, width: int, height: int) -> Offer:
    """Open a device, ask, and close it again.

    Raises:
        OSError: it cannot be opened, or is no V4L2 device.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return read_offer(lambda request, data: fcntl.ioctl(descriptor, request, data), width, height)
    finally:
        os.close(descriptor)


def read_offer(ioctl: Ioctl, width: int, height: int) -> Offer:
    """What the device offers, above all at the wanted size.

    Raises:
        OSError: it is no V4L2 device.
    """
    data = bytearray(_CAPABILITY_BYTES)
    ioctl(_QUERYCAP, data)
    card = bytes(data[16:48]).split(b"\0")[0].decode(errors="replace")
    of_hardware, of_device = struct.unpack_from("II", data, 84)
    captures = bool((of_device if of_hardware & _HAS_DEVICE_CAPS else of_hardware) & _VIDEO_CAPTURE)
    formats = tuple(_format(ioctl, code, width, height) for code in _formats(ioctl)) if captures else ()
    return Offer(card, captures, formats)


def _formats(ioctl: Ioctl) -> Iterator[bytes]:
    for data in _answers(ioctl, _ENUM_FMT, _FORMAT_BYTES, lambda index: struct.pack("II", index, _VIDEO_CAPTURE)):
        yield bytes(data[44:48])


def _format(ioctl: Ioctl, code: bytes, width: int, height: int) -> Format:
    sizes: list[tuple[int, int]] = []
    has_wanted = False
    for data in _answers(ioctl, _ENUM_FRAMESIZES, _SIZE_BYTES, lambda index: struct.pack("I4s", index, code)):
        kind, *numbers = struct.unpack_from("7I", data, 8)
        if kind == _DISCRETE:
            sizes.append((numbers[0], numbers[1]))
            has_wanted |= sizes[-1] == (width, height)
            continue
        low_w, high_w, step_w, low_h, high_h, step_h = numbers
        sizes += [(low_w, low_h), (high_w, high_h)]
        has_wanted |= _on_grid(width, low_w, high_w, step_w) and _on_grid(height, low_h, high_h, step_h)
        break  # a range is the only answer
    rates_hz = _rates_hz(ioctl, code, width, height) if has_wanted else ()
    return Format(code.decode(errors="replace"), tuple(sizes), has_wanted, rates_hz)


def _rates_hz(ioctl: Ioctl, code: bytes, width: int, height: int) -> tuple[float, ...]:
    """The frame rates at one size; of a range its fastest and its slowest."""
    question = struct.pack("4sII", code, width, height)
    rates = []
    for data in _answers(
        ioctl, _ENUM_FRAMEINTERVALS, _INTERVAL_BYTES, lambda index: struct.pack("I", index) + question
    ):
        kind, *numbers = struct.unpack_from("7I", data, 16)
        pairs = [numbers[0:2]] if kind == _DISCRETE else [numbers[0:2], numbers[2:4]]
        rates += [below / above for above, below in pairs if above]
        if kind != _DISCRETE:
            break
    return tuple(sorted(rates, reverse=True))


def _answers(ioctl: Ioctl, request: int, size: int, question: Callable[[int], bytes]) -> Iterator[bytearray]:
    """Ask for number 0, 1, 2 and so on until the driver says EINVAL, or ENOTTY for a question it does not know."""
    for index in range(_MOST):
        asked = question(index)
        data = bytearray(asked) + bytearray(size - len(asked))
        try:
            ioctl(request, data)
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOTTY}:
                return
            raise
        yield data


def _on_grid(value: int, low: int, high: int, step: int) -> bool:
    return low <= value <= high and (value - low) % max(step, 1) == 0
