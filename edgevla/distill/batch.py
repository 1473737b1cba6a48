"""What a network is shown at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Batch(NamedTuple):
    """What a network is shown, and what it should answer."""

    front: Tensor  # (batch, 3, 96, 96) in 0..1
    wrist: Tensor  # the same
    state: Tensor  # (batch, 6) normalised
    tokens: Tensor  # (batch, length)
    deltas: Tensor  # (batch, 12, 6) normalised
    places: Tensor  # (batch, 4) x and y of the first and of the last block in the sentence, in units of 0.1 m
    feature: Tensor  # (batch, width) what the teacher makes of it; of width 0 without one
    blind: Tensor  # (batch,) bool, the pictures show nothing
