"""What it costs to be wrong, for teacher and students alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from edgevla.distill.batch import Batch


def plan_loss(found: Tensor, wanted: Tensor, row_weight: Tensor) -> Tensor:
    """Nearly the absolute distance of (batch, 12, 6) deltas, the (12,) rows weighed alike."""
    return (functional.smooth_l1_loss(found, wanted, beta=0.1, reduction="none") * row_weight[:, None]).mean()


def places_loss(found: Tensor, batch: Batch) -> Tensor:
    """How far (batch, 4) places are off, where there was something to see."""
    off = functional.smooth_l1_loss(found, batch.places, beta=0.1, reduction="none").mean(1)
    return (off * ~batch.blind).mean()


def row_weight_of(deltas: NDArray[np.float32]) -> Tensor:
    """(12,) weights of the rows of (n, 12, 6) normalised deltas.

    Rows near the observation are small, and are the ones that get played: in their own scale every row weighs the same.
    """
    spread = np.sqrt(np.square(deltas, dtype=np.float32).mean((0, 2)))
    weight = 1.0 / np.maximum(spread, 0.05)
    return torch.from_numpy((weight / weight.mean()).astype(np.float32))
