"""A camera image to the tensor a graph takes. Training uses this too, so that both see the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgevla.policy.errors import InputRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Picture:
    """Turns a camera image into the (1, 3, height, width) float32 tensor in 0..1 that the graph takes.

    A picture of another aspect ratio is cut, evenly on both sides; stretching it would change the shape of things. The
    result is one buffer, overwritten by the next call.
    """

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._small = np.empty((height, width, 3), np.uint8)
        self._tensor = np.empty((1, 3, height, width), np.float32)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Cut, resize and scale a (h, w, 3) uint8 RGB image.

        Raises:
            InputRefused: another dtype or shape.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise InputRefused(f"an image must be uint8 (height, width, 3), not {image.dtype} {image.shape}")
        image = self._cut(image)
        shrinks = image.shape[0] >= self._height
        cv2.resize(
            image,
            (self._width, self._height),
            self._small,
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
        np.multiply(self._small.transpose(2, 0, 1), np.float32(1 / 255), out=self._tensor[0])
        return self._tensor

    def _cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        keep_width = min(width, max(1, round(height * self._width / self._height)))
        keep_height = min(height, max(1, round(width * self._height / self._width)))
        top, left = (height - keep_height) // 2, (width - keep_width) // 2
        return image[top : top + keep_height, left : left + keep_width]
