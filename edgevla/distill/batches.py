"""From rows to what a network is shown: normalised, said in other words, in other light, sometimes in the dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from edgevla.distill.batch import Batch
from edgevla.distill.encoder import IMAGE_PX
from edgevla.distill.losses import row_weight_of
from edgevla.distill.sentences import LENGTH, paraphrases, vocabulary
from edgevla.distill.store import taken
from edgevla.files import whole
from edgevla.policy.language import Vocabulary
from edgevla.sim.expert import Expert
from edgevla.sim.tasks import EXTENDED, TASKS
from edgevla.sim.world import COLOURS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from edgevla.distill.labels import Labels
    from edgevla.distill.store import Rows

Array = NDArray[np.float64]

_STATE_NOISE = 0.05  # of a joint's spread
_BLIND_SHARE = 0.04  # of rows in which one camera, or both, shows nothing; the plan for them is to hold still
_PLAIN_SHARE = 0.5  # of sentences taken as they are listed; the rest are paraphrased
_LEAST_STD_RAD = 0.02  # a joint that hardly moves is not blown up
_PLACE_M = 0.1  # unit of `Batch.places`


@dataclass(frozen=True)
class Statistics:
    """How states and deltas are normalised, (6,) each, rad."""

    state_mean: Array
    state_std: Array
    delta_mean: Array
    delta_std: Array

    @classmethod
    def of(cls, rows: Rows) -> Statistics:
        """Measured over all rows and all setpoints of their plans."""
        deltas = rows.plan_rad - rows.state_rad[:, None]
        return cls(
            rows.state_rad.mean(0, dtype=np.float64),
            np.maximum(rows.state_rad.std(0, dtype=np.float64), _LEAST_STD_RAD),
            deltas.mean((0, 1), dtype=np.float64),
            np.maximum(deltas.std((0, 1), dtype=np.float64), _LEAST_STD_RAD),
        )

    def save(self, path: Path) -> None:
        """Keep them for the students: all networks of one recipe share them."""
        with whole(path) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Read what `save` wrote."""
        with np.load(path) as saved:
            return cls(**saved)


class Batches:
    """All rows, ready to be drawn from.

    Args:
        rows: the observations, and the expert's plans for them.
        labels: the teacher's plans, which then take the place of the expert's.
        wrist: whether the second camera is wanted; else its pictures are empty.
    """

    def __init__(
        self, rows: Rows, statistics: Statistics, labels: Labels | None = None, *, wrist: bool = False
    ) -> None:
        self._rows, self._labels, self._wrist = rows, labels, wrist
        self._statistics = statistics
        self._state = torch.from_numpy(normal_state(rows.state_rad, statistics))
        plans = rows.plan_rad if labels is None else labels.plan_rad
        self._deltas = torch.from_numpy(normal_deltas(plans, rows.state_rad, statistics))
        self._places = torch.from_numpy(named_places(rows))
        self._noise_to_deltas = torch.from_numpy(statistics.state_std / statistics.delta_std).float()
        self.row_weight = row_weight_of(self._deltas.flatten(0, -3).numpy())
        expert = Expert()
        hold = np.stack([expert.hold(state) for state in rows.state_rad.astype(np.float64)])
        self._hold = torch.from_numpy(normal_deltas(hold[:, None], rows.state_rad, statistics))
        self._words = said()

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """Draw with replacement; indices and words come from `rng`, noise and light from torch's generator."""
        return self.take(rng.integers(len(self._rows), size=size), rng)

    def take(self, index: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """Some rows, varied; where there are several plans for a row, one of them."""
        size = len(index)
        noise = _STATE_NOISE * torch.randn(size, self._state.shape[1])
        ways = torch.tensor([[True, True], [True, False], [False, True]][: 3 if self._wrist else 1])  # front, wrist
        blind = torch.rand(size) < _BLIND_SHARE * len(ways)
        dark = (blind[:, None] & ways[torch.randint(len(ways), (size,))])[..., None, None, None]
        front = torch.where(dark[:, 0], covered(size), self._relit(self._rows.front, index))
        wrist = torch.empty(size, 0)
        if self._wrist:
            wrist = torch.where(dark[:, 1], covered(size), self._relit(self._rows.wrist, index))
        deltas = self._deltas[index]
        if deltas.ndim == 4:
            deltas = deltas[torch.arange(size), torch.randint(deltas.shape[1], (size,))]
        deltas = torch.where(blind[:, None, None], self._hold[index], deltas)
        # A state that is off by some noise is answered by the plan that leads back to the same place.
        deltas = deltas - (noise * self._noise_to_deltas)[:, None, :]
        feature = torch.empty(size, 0)
        if self._labels is not None:
            feature = torch.from_numpy(self._labels.feature[index].astype(np.float32))
        tokens = self._tokens(index, rng)
        return Batch(front, wrist, self._state[index] + noise, tokens, deltas, self._places[index], feature, blind)

    def _relit(self, pictures: NDArray[np.uint8], index: NDArray[np.int64]) -> Tensor:
        return relit(torch.from_numpy(taken(pictures, index)))

    def _tokens(self, index: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        plain = rng.random(len(index)) < _PLAIN_SHARE
        ways = [self._words[task] for task in self._rows.task[index]]
        return torch.stack(
            [way[0] if first else way[rng.integers(len(way))] for way, first in zip(ways, plain, strict=True)]
        )


def normal_state(state_rad: NDArray[np.float32], statistics: Statistics) -> NDArray[np.float32]:
    """(n, 6) measured positions as the networks take them."""
    return ((state_rad - statistics.state_mean) / statistics.state_std).astype(np.float32)


def normal_deltas(
    plan_rad: NDArray[np.floating], state_rad: NDArray[np.float32], statistics: Statistics
) -> NDArray[np.float32]:
    """(n, ..., rows, 6) absolute setpoints as the networks answer them: relative to the (n, 6) state, normalised."""
    from_rad = state_rad.reshape(len(state_rad), *[1] * (plan_rad.ndim - 2), state_rad.shape[1])
    return ((plan_rad - from_rad - statistics.delta_mean) / statistics.delta_std).astype(np.float32)


def named_places(rows: Rows) -> NDArray[np.float32]:
    """(n, 4): x and y of the first and of the last block that the sentence names, in units of 0.1 m."""
    named = []
    for sentence in EXTENDED:
        colours = [COLOURS.index(word) for word in sentence.split() if word in COLOURS]
        named.append((colours[0], colours[-1]))
    which = np.array(named)[rows.task]
    places = rows.block_m[np.arange(len(rows))[:, None], which, :2]
    return (places.reshape(-1, 4) / _PLACE_M).astype(np.float32)


def said() -> list[Tensor]:
    """For each of EXTENDED the ways to say it, (ways, length) word ids; the first is the sentence itself."""
    read = Vocabulary(vocabulary(), LENGTH).encode
    return [
        torch.from_numpy(np.concatenate([read(sentence) for sentence in paraphrases(TASKS[name])])) for name in EXTENDED
    ]


def covered(size: int) -> Tensor:
    """What a covered or dead camera shows, (size, 3, 96, 96): black, or one grey all over."""
    grey = torch.rand(size, 1, 1, 1) * (torch.rand(size, 1, 1, 1) < 0.5)
    return grey.expand(-1, 3, IMAGE_PX, IMAGE_PX)


def relit(front: Tensor) -> Tensor:
    """uint8 (size, 96, 96, 3) to float (size, 3, 96, 96) in 0..1, with other light, contrast and tint."""
    size = len(front)
    x = front.permute(0, 3, 1, 2).float() / 255.0
    contrast = 1.0 + 0.15 * (2.0 * torch.rand(size, 1, 1, 1) - 1.0)
    light = 0.10 * (2.0 * torch.rand(size, 1, 1, 1) - 1.0)
    tint = 1.0 + 0.06 * (2.0 * torch.rand(size, 3, 1, 1) - 1.0)
    x = (x - 0.5) * contrast * tint + 0.5 + light
    return x.clamp(0.0, 1.0)
