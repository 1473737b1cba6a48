"""The inverse of the orthonormal DCT-II over the rows of a chunk, as a matrix.

It is `scipy.fft.idct(x, axis=0, norm="ortho")`, in float64 as pi0-FAST has it, summed over rising frequency: a kernel
that adds in the same order gives the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def inverse_basis(horizon: int) -> NDArray[np.float64]:
    """Return (time, frequency): cos(pi (t + 1/2) k / horizon) sqrt(2 / horizon), and 1 / sqrt(horizon) for k = 0."""
    time, frequency = np.ogrid[:horizon, :horizon]
    basis: NDArray[np.float64] = np.cos(np.pi * (time + 0.5) * frequency / horizon) * np.sqrt(2.0 / horizon)
    basis[:, 0] = np.sqrt(1.0 / horizon)
    return basis


def inverse(coefficients: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the (horizon, dimensions) signal, rounded to float32 at the end, of (horizon, dimensions) coefficients."""
    signal = np.zeros(coefficients.shape)
    for wave, row in zip(basis.T, coefficients, strict=True):
        signal += wave[:, np.newaxis] * row
    return signal.astype(np.float32)
