"""What the jaws are near to and what they press upon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgevla.sim.boxes import Box, apart_m
from edgevla.sim.graphics import mujoco

if TYPE_CHECKING:
    from collections.abc import Iterable

_JAWS = ("fixed_jaw", "moving_jaw")
_FARTHEST_GAP_M = 0.010


class Jaws:
    """Looks at a state that somebody else steps.

    Args:
        model: the scene.
        data: its state.
        blocks: names of geoms that are boxes.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, blocks: Iterable[str]) -> None:
        self._model = model
        self._data = data
        self._jaws = {model.geom(name).id for name in _JAWS}
        self._blocks = {model.geom(name).id: name for name in blocks}

    def gaps_m(self) -> dict[str, float]:
        """Distance from the nearer jaw to each block's surface; inf beyond 10 mm, negative when pressed."""
        return {name: min(self._gap_m(jaw, block) for jaw in self._jaws) for block, name in self._blocks.items()}

    def held(self) -> set[str]:
        """The blocks that both jaws press upon."""
        touching = {frozenset(pair) for pair in self._data.contact.geom.tolist()}
        return {
            name
            for block, name in self._blocks.items()
            if all(frozenset((jaw, block)) in touching for jaw in self._jaws)
        }

    def _gap_m(self, jaw: int, block: int) -> float:
        gap_m = float(mujoco.mj_geomDistance(self._model, self._data, jaw, block, _FARTHEST_GAP_M, None))
        if gap_m == 0.0:  # it has given up, see boxes.py
            gap_m = apart_m(self._box(jaw), self._box(block))
        return gap_m if gap_m < _FARTHEST_GAP_M else math.inf

    def _box(self, geom: int) -> Box:
        data = self._data
        return Box(data.geom_xpos[geom], data.geom_xmat[geom].reshape(3, 3), self._model.geom_size[geom])
