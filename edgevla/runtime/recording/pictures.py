"""Pictures as files in memory. OpenCV lets other threads run while it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Format: TypeAlias = Literal["png", "jpeg"]

# The fastest PNG is a tenth larger than the smallest, and takes a fraction of its time.
_SETTINGS = {"png": (cv2.IMWRITE_PNG_COMPRESSION, 1), "jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95)}
_SUFFIX = {"png": ".png", "jpeg": ".jpg"}


class PictureError(ValueError):
    """The bytes are no picture, or the pixels cannot be written as one."""


def encode(image: NDArray[np.uint8], kind: Format) -> bytes:
    """Return an RGB picture, (height, width, 3), as a file.

    Raises:
        PictureError: OpenCV does not take it.
    """
    done, data = cv2.imencode(_SUFFIX[kind], cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _SETTINGS[kind])
    if not done:
        raise PictureError(f"OpenCV cannot write {image.shape} as {kind}")
    return bytes(data)


def decode(data: bytes) -> NDArray[np.uint8]:
    """Return a file as an RGB picture, (height, width, 3).

    Raises:
        PictureError: it is none.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise PictureError(f"{len(data)} bytes that are not a picture")
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb
