"""The camera side of the kernels: the struct of a call, and what its 256 levels become (kernels/edgevla_image.h)."""

from __future__ import annotations

from ctypes import c_float, c_int32, c_void_p
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgevla.engine.native_abi import ELEMENT, Args, Arrays, fields

if TYPE_CHECKING:
    from numpy.typing import NDArray


RGB, BGR, NV12 = range(3)
CUT, LETTERBOX = range(2)
TAP = np.dtype([("first", "i4"), ("count", "i4"), ("head", "f4"), ("body", "f4"), ("tail", "f4")])
_ELEMENTS = {4: "f4", 2: "f2", 1: "i1"}


class ImageArgs(Args):
    """edgevla_image_args. The source's planes are bytes, row after row."""

    _fields_ = (
        *fields(c_int32, "pixels fit source_height source_width row_bytes height width element_bytes pad_level"),
        *fields(c_int32, "place_top place_left place_height place_width"),
        *fields(c_float, "bias gain"),
        *fields(c_void_p, "taps levels picture chroma tensor"),
    )
    ARRAYS: ClassVar[Arrays] = {
        "taps": (TAP, "taps_taken"),
        "levels": (ELEMENT, 3, 256),
        "picture": (np.dtype("u1"), "source_height", "row_bytes"),
        "chroma": (np.dtype("u1"), "chroma_height", "row_bytes"),
        "tensor": (ELEMENT, 3, "height", "width"),
    }

    @property
    def element(self) -> str:
        """The dtype of the tensor."""
        return _ELEMENTS[self.element_bytes]

    @property
    def taps_taken(self) -> int:
        """Of the columns and of the rows."""
        return int(self.width + self.height)

    @property
    def chroma_height(self) -> int:
        """Rows of the U, V plane."""
        return int(self.source_height) // 2


def levels(mean: float | NDArray[np.float32] = 0.0, std: float | NDArray[np.float32] = 1.0) -> NDArray[np.float32]:
    """Return (3, 256) float32: (level / 255 - mean) / std for each channel, as `Picture` scales when mean is 0.

    For float16 take `.astype(np.float16)`; for int8 `quantised`.

    Args:
        mean: of R, G, B in 0..1, (3,), or one number.
        std: likewise.
    """
    share = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    centre, spread = (np.broadcast_to(np.float32(value), 3)[:, np.newaxis] for value in (mean, std))
    table: NDArray[np.float32] = (share - centre) / spread
    return table


def quantised(table: NDArray[np.float32], scale: float) -> NDArray[np.int8]:
    """Return a table of levels as QuantizeLinear makes them: int8, zero-point 0, halves to even, saturating."""
    whole: NDArray[np.int8] = np.clip(np.rint(table / np.float32(scale)), -128, 127).astype(np.int8)
    return whole
