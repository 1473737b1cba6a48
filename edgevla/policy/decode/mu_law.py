"""mu-law companding: small actions are stretched before training, and shrunk again here, before un-normalising.

RoboVLMs, robovlms/data/data_utils.py, `inverse_mu_law_companding`. Its "last value" is kept as it is. Upstream feeds it
one row at a time, whose last value is the gripper's; handed a whole chunk it would keep the last *row* companded, and
an arm that followed would move too far by up to a factor of 46. Here it is the last column of every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def expand(companded: NDArray[np.float32], mu: float) -> NDArray[np.float32]:
    """Return sgn(y) (expm1(|y| ln(1 + mu)) / mu) for (..., dimensions) float32 y in -1..1; the last column as it is."""
    growth = np.float32(np.log1p(mu))
    size = (np.expm1(np.abs(companded) * growth) / np.float32(mu)).astype(np.float32, copy=False)
    expanded = np.sign(companded) * size
    expanded[..., -1] = companded[..., -1]
    return expanded
