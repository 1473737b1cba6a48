"""Rewritings of upstream functions that compute the same and export better; and swapping them in for a while."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_STEP = 2.0**-11  # times are split there: a 11-bit and a 12-bit number have a product that float32 holds exactly


@contextlib.contextmanager
def swapped(module: ModuleType, **replacements: object) -> Iterator[None]:
    """Put functions, or what else has a name, in the place of a module's for as long as the body runs.

    Raises:
        AttributeError: the module has no such function, so that its code is not what the replacement was made for.
    """
    before = {name: getattr(module, name) for name in replacements}
    try:
        for name, other in replacements.items():
            setattr(module, name, other)
        yield
    finally:
        for name, other in before.items():
            setattr(module, name, other)


def time_embedding(
    time: torch.Tensor, dimension: int, min_period: float, max_period: float, device: object = None
) -> torch.Tensor:
    """openpi's `create_sinusoidal_pos_embedding` in float32, which engines have, to the last digits of float64.

    Upstream computes sin(2 pi t / period) in float64: there are up to 250 turns between t = 0 and 1, and whole turns
    must be taken away before rounding. Here t and 1 / period are each split in two, so that the large product is exact.

    Args:
        time: (batch,) float32 in 0..1.
        dimension: of the embedding.
        min_period: of the first pair of columns.
        max_period: of the last.
        device: not read: `time` lies somewhere.

    Returns:
        (batch, dimension) float32, sines and then cosines.
    """
    del device
    frequency = 1.0 / (min_period * (max_period / min_period) ** np.linspace(0.0, 1.0, dimension // 2))
    scale = 2.0 ** (12 - np.ceil(np.log2(frequency)))
    coarse = np.floor(frequency * scale) / scale
    high, rest = (torch.from_numpy(part.astype(np.float32)) for part in (coarse, frequency - coarse))
    t_high = torch.round(time[:, None] / _STEP) * _STEP
    t_rest = time[:, None] - t_high
    whole = t_high * high
    turns = (whole - torch.round(whole)) + (t_high * rest + t_rest * (high + rest))
    angle = turns * (2.0 * math.pi)
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)


def rope(x: torch.Tensor, positions: torch.Tensor, max_wavelength: int = 10_000) -> torch.Tensor:
    """SmolVLA's `apply_rope`, without writing into slices.

    Args:
        x: (batch, length, heads, width).
        positions: (batch, length).
        max_wavelength: of the slowest pair.
    """
    half = x.shape[-1] // 2
    exponents = (2.0 / x.shape[-1]) * torch.arange(half, dtype=torch.float32)
    radians = (positions[..., None].to(torch.float32) / (max_wavelength**exponents))[..., None, :]
    sine, cosine = torch.sin(radians), torch.cos(radians)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class FirstIsLeast:
    """torch, but the minimum of numbers that grow is their first: the places of a row of tokens.

    Since opset 18 a minimum takes its axes as an input, which onnxruntime's shape inference does not follow.
    """

    class Found(NamedTuple):
        """What `torch.min` returns, without the indices."""

        values: torch.Tensor

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever torch has
        return getattr(torch, name)

    def min(self, places: torch.Tensor, dim: int, *, keepdim: bool) -> Found:
        """The first number of each row (batch, length)."""
        assert dim == 1 and keepdim, "the one use that upstream has for it"
        return self.Found(places[:, :1])
