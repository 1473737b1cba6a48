"""How far two boxes are apart, exactly, where MuJoCo does not say.

`mj_geomDistance` of MuJoCo 3.3 gives up on one in thirty poses of two boxes that are near each other and returns 0.
No product of matrices here: the first in a process has OpenBLAS take tens of megabytes, and where memory is locked
every page of them is fetched at once. The servos were silent for 20 to 100 ms at a first touch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SIGNS = np.array(list(np.ndindex(2, 2, 2))) * 2.0 - 1.0
# Each of the 12 edges as two corners, numbered as in _SIGNS, that differ in one sign.
_EDGES = np.array([(i, j) for i in range(8) for j in range(i) if (_SIGNS[i] != _SIGNS[j]).sum() == 1])
_PARALLEL = 1e-9  # least squared sine between two edges that are told apart


class Box(NamedTuple):
    """A box in the world: metres."""

    centre: Array  # (3,)
    axes: Array  # (3, 3), its axes as columns
    half: Array  # (3,) half its edges

    @property
    def corners(self) -> Array:
        """(8, 3)."""
        return np.asarray(self.centre + _turned(_SIGNS * self.half, self.axes))


def apart_m(first: Box, second: Box) -> float:
    """Distance between two boxes that do not overlap: a corner is nearest to the other box, or two edges are."""
    return min(_corner_gap_m(first, second), _corner_gap_m(second, first), _edge_gap_m(first, second))


def _corner_gap_m(box: Box, other: Box) -> float:
    """From the nearest corner of the other box."""
    seen = np.abs(_turned(other.corners - box.centre, box.axes.T)) - box.half
    return float(np.linalg.norm(np.maximum(seen, 0.0), axis=1).min())


def _turned(points: Array, axes: Array) -> Array:
    """Each of (n, 3) points that are given along `axes`, its columns, along the world's."""
    return np.asarray((points[:, None, :] * axes).sum(-1))


def _edge_gap_m(first: Box, second: Box) -> float:
    """Between the nearest two edges, unless a corner is nearer: Ericson, "Real-Time Collision Detection", 5.1.9."""
    p, q = (box.corners[_EDGES] for box in (first, second))
    a, b = p[:, None, 0], q[None, :, 0]
    d, e, r = p[:, None, 1] - a, q[None, :, 1] - b, a - b
    dd, ee, de, dr, er = ((x * y).sum(-1) for x, y in ((d, d), (e, e), (d, e), (d, r), (e, r)))
    det = np.maximum(dd * ee - de * de, _PARALLEL * dd * ee)
    # Clipped they are points of the edges still, and where that moves them the nearest point is a corner.
    s = np.clip((de * er - dr * ee) / det, 0.0, 1.0)
    t = np.clip((dd * er - de * dr) / det, 0.0, 1.0)
    return float(np.linalg.norm(r + s[..., None] * d - t[..., None] * e, axis=-1).min())
