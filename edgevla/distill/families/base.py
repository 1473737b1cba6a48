# mypy: disallow-subclassing-any=False
"""What a family is, to the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import nn

from edgevla.config.policy import Action, Normalisation
from edgevla.policy.normalise import Normalise
from edgevla.sim.expert import RATE_HZ
from edgevla.sim.world import load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from edgevla.distill.batches import Array, Statistics
    from edgevla.distill.features import Features
    from edgevla.distill.student import Encoder

    Numbers = NDArray[np.float32]

_BEYOND = 5e-4  # share of the labels that may lie outside a range on either side
_MARGIN = 0.01  # of a range, added on either side


@dataclass(frozen=True)
class Graph:
    """A module to be exported.

    Args:
        module: takes the inputs in order and returns one tensor for each output.
        inputs: name -> an example.
        outputs: names.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """What a family adds to a bundle: sections of policy.yaml by name, and files by name."""

    action: Action
    sections: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


class Seen(nn.Module):
    """An encoder and what a head makes of its feature."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, *inputs: Tensor) -> Tensor:
        """The head's answer to what the encoder is shown."""
        answer: Tensor = self.head(self.encoder(*inputs))
        return answer


class Family(Protocol):
    """One way to answer. `kind` is the `family` of policy.yaml."""

    kind: str

    def head(self) -> nn.Module:
        """A head with first weights, drawn from torch's generator."""
        ...

    def loss(self, head: nn.Module, features: Features, rng: np.random.Generator) -> Tensor:
        """Draw a batch and say how wrong the head is."""
        ...

    def graphs(self, encoder: Encoder, head: nn.Module, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph | None]:
        """The graph that looks, and the one of a step where the family iterates.

        Args:
            shown: examples of the policy's inputs, by name.
        """
        ...

    def parts(self) -> Parts:
        """What policy.yaml has to say."""
        ...


def action_of(output: str, horizon: int, normalisation: Normalisation) -> Action:
    """The action space of the tabletop: joint deltas at 10 Hz."""
    model = load_model()
    return Action(
        output=output,
        names=tuple(model.actuator(i).name for i in range(model.nu)),
        unit="rad",
        kind="delta",
        rate_hz=RATE_HZ,
        horizon=horizon,
        normalisation=normalisation,
    )


def mean_std(mean: Array, std: Array) -> Normalisation:
    """Statistics as policy.yaml has them."""
    return Normalisation(kind="mean_std", mean=rounded(mean), std=rounded(std))


def rounded(values: Array) -> tuple[float, ...]:
    """Seven digits: more than float32 has."""
    return tuple(float(f"{x:.7g}") for x in values)


class Range:
    """Deltas of the first rows between two bounds, for families whose numbers run from -1 to 1.

    The bounds hold all but one label in a thousand; those beyond are clipped, as upstream's tokenizers do.
    """

    def __init__(self, features: Features, statistics: Statistics, horizon: int) -> None:
        self._statistics, self._horizon = statistics, horizon
        deltas_rad = self._rad(features.deltas[0])
        low, high = np.quantile(deltas_rad.reshape(-1, deltas_rad.shape[-1]), [_BEYOND, 1.0 - _BEYOND], axis=0)
        margin = _MARGIN * (high - low)
        self.normalisation = Normalisation(kind="min_max", min=rounded(low - margin), max=rounded(high + margin))
        self._normalise = Normalise(self.normalisation)

    def __call__(self, deltas: Numbers) -> Numbers:
        """(..., 12, 6) in standard deviations to (..., horizon, 6) in -1..1."""
        return np.clip(self._normalise(self._rad(deltas)), -1.0, 1.0).astype(np.float32)

    def _rad(self, deltas: Numbers) -> NDArray[np.float64]:
        return deltas[..., : self._horizon, :] * self._statistics.delta_std + self._statistics.delta_mean
