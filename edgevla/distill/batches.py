"""From samples to what the student is shown: normalised, said in other words, in other light, sometimes in the dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from edgevla.distill.sentences import LENGTH, paraphrases, vocabulary
from edgevla.distill.student import IMAGE_PX
from edgevla.policy.language import Vocabulary
from edgevla.sim.expert import Expert
from edgevla.sim.tasks import INSTRUCTIONS, TASKS

if TYPE_CHECKING:
    from torch import Tensor

    from edgevla.distill.demonstrations import Samples

Array = NDArray[np.float64]

_STATE_NOISE = 0.05  # of a joint's spread
_BLIND_SHARE = 0.04  # of pictures that show nothing; the plan for them is to hold still
_PLAIN_SHARE = 0.5  # of sentences taken as they are listed; the rest are paraphrased
_LEAST_STD_RAD = 0.02  # a joint that hardly moves is not blown up


@dataclass(frozen=True)
class Statistics:
    """How states and deltas are normalised, (6,) each, rad."""

    state_mean: Array
    state_std: Array
    delta_mean: Array
    delta_std: Array

    @classmethod
    def of(cls, samples: Samples) -> Statistics:
        """Measured over all samples and all rows of their plans."""
        deltas = samples.plan_rad - samples.state_rad[:, None]
        return cls(
            samples.state_rad.mean(0, dtype=np.float64),
            np.maximum(samples.state_rad.std(0, dtype=np.float64), _LEAST_STD_RAD),
            deltas.mean((0, 1), dtype=np.float64),
            np.maximum(deltas.std((0, 1), dtype=np.float64), _LEAST_STD_RAD),
        )


class Batch(NamedTuple):
    """What the student is shown, and what it should answer."""

    front: Tensor  # (batch, 3, 96, 96) in 0..1
    state: Tensor  # (batch, 6) normalised
    tokens: Tensor  # (batch, 8)
    deltas: Tensor  # (batch, 12, 6) normalised
    block: Tensor  # (batch, 2) where the named block is, in units of 0.1 m
    blind: Tensor  # (batch,) bool, the picture shows nothing


class Batches:
    """All samples, ready to be drawn from."""

    def __init__(self, samples: Samples, statistics: Statistics) -> None:
        self._front = torch.from_numpy(samples.front)
        self._state = _normal(samples.state_rad, statistics.state_mean, statistics.state_std)
        deltas = samples.plan_rad - samples.state_rad[:, None]
        self._deltas = _normal(deltas, statistics.delta_mean, statistics.delta_std)
        self._block = torch.from_numpy(samples.block_m) / 0.1
        self._task = samples.task
        self._noise_to_deltas = torch.from_numpy(statistics.state_std / statistics.delta_std).float()
        # Rows near the observation are small and are the ones that get played: every row weighs the same.
        weight = 1.0 / self._deltas.pow(2).mean((0, 2)).sqrt().clamp(min=0.05)
        self.row_weight = weight / weight.mean()
        expert = Expert()
        hold = np.stack([expert.hold(state) for state in samples.state_rad.astype(np.float64)]) - samples.state_rad
        self._hold = _normal(hold.astype(np.float32), statistics.delta_mean, statistics.delta_std)
        read = Vocabulary(vocabulary(), LENGTH).encode
        ways = [paraphrases(TASKS[name]) for name in INSTRUCTIONS]
        self._words = [torch.from_numpy(np.concatenate([read(sentence) for sentence in some])) for some in ways]

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """Draw with replacement; indices and words come from `rng`, noise and light from torch's generator."""
        index = rng.integers(len(self._task), size=size)
        noise = _STATE_NOISE * torch.randn(size, self._state.shape[1])
        blind = torch.rand(size) < _BLIND_SHARE
        front = torch.where(blind[:, None, None, None], covered(size), relit(self._front[index]))
        deltas = torch.where(blind[:, None, None], self._hold[index][:, None], self._deltas[index])
        # A state that is off by some noise is answered by the plan that leads back to the same place.
        deltas = deltas - (noise * self._noise_to_deltas)[:, None, :]
        return Batch(front, self._state[index] + noise, self._tokens(index, rng), deltas, self._block[index], blind)

    def _tokens(self, index: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        plain = rng.random(len(index)) < _PLAIN_SHARE
        ways = [self._words[task] for task in self._task[index]]
        return torch.stack(
            [way[0] if first else way[rng.integers(len(way))] for way, first in zip(ways, plain, strict=True)]
        )


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


def _normal(values: NDArray[np.float32], mean: Array, std: Array) -> Tensor:
    return torch.from_numpy(((values - mean) / std).astype(np.float32))
