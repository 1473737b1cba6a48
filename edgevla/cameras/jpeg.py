"""JPEG pictures that come from outside: complete, of the size that was asked for, and only then decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

START, END = b"\xff\xd8", b"\xff\xd9"
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15 without DHT, JPG and DAC


class BadPicture(ValueError):
    """The bytes are no complete JPEG picture."""


def size_of(data: bytes) -> tuple[int, int]:
    """Return (width, height) as the headers of a JPEG state them, without decoding it.

    A few bytes can announce a picture of several gigabytes, so this is looked at before any memory is taken.

    Raises:
        BadPicture: not a JPEG, or cut off.
    """
    # OpenCV fills the missing half of a truncated picture with grey, and the policy would act on it.
    if not data.startswith(START) or not data.rstrip(b"\0\r\n").endswith(END):
        raise BadPicture("not a complete JPEG picture")
    at = len(START)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in FRAME_HEADERS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise BadPicture("a JPEG picture without a frame header")


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG to a new (height, width, 3) RGB image.

    Raises:
        BadPicture: it cannot be decoded.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise BadPicture("a JPEG picture that cannot be decoded")
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb
