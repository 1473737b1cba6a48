# mypy: disallow-subclassing-any=False
"""Pillow's bicubic resize as two matrix products, so that a graph sees the pixels that the network was trained on.

libImaging/Resample.c: a window of the filter, stretched when shrinking, weights that add up to 1; first along the rows
and then along the columns, each rounded to whole numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUPPORT = 2.0  # pixels, of the cubic with a = -0.5


class PillowResize(nn.Module):
    """(1, 3, height, width) in 0..1 to (1, 3, *size), in steps of 1/255 as Pillow gives them.

    Args:
        height: of the picture.
        width: of the picture.
        size: (height, width) of the result.
    """

    def __init__(self, height: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self._same = (height, width) == size  # Pillow copies
        self.register_buffer("rows", torch.from_numpy(weights(height, size[0])))
        self.register_buffer("columns", torch.from_numpy(weights(width, size[1]).T.copy()))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Resize."""
        if self._same:
            return picture
        wide = _whole(picture * 255.0 @ self.get_buffer("columns"))
        return _whole(self.get_buffer("rows") @ wide) / 255.0


def weights(length: int, wanted: int) -> NDArray[np.float32]:
    """Return (wanted, length): how much of each pixel goes into each pixel of the result."""
    scale = length / wanted
    stretch = max(scale, 1.0)
    table = np.zeros((wanted, length))
    for place in range(wanted):
        centre = (place + 0.5) * scale
        first = max(int(centre - _SUPPORT * stretch + 0.5), 0)
        last = min(int(centre + _SUPPORT * stretch + 0.5), length)
        row = [_cubic((pixel - centre + 0.5) / stretch) for pixel in range(first, last)]
        table[place, first:last] = np.array(row) / math.fsum(row)
    return table.astype(np.float32)


def _cubic(x: float) -> float:
    x = abs(x)
    if x < 1.0:
        return (1.5 * x - 2.5) * x * x + 1.0
    return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0 if x < _SUPPORT else 0.0


def _whole(pixels: torch.Tensor) -> torch.Tensor:
    return torch.clamp(torch.floor(pixels + 0.5), 0.0, 255.0)
