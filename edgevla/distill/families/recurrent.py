# mypy: disallow-subclassing-any=False
"""The recurrent family: an LSTM over the last observations, as RoboVLMs' head.

The graph's memory is laid out as `edgevla/engine/recurrent.py` says: one lane for each length of the past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgevla.config.policy_families import Recurrent
from edgevla.distill.encoder import JOINTS
from edgevla.distill.families.base import Graph, Parts, action_of, mean_std
from edgevla.distill.losses import plan_loss, row_weight_of
from edgevla.distill.student import FEATURE
from edgevla.sim.expert import HORIZON

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from edgevla.distill.batches import Statistics
    from edgevla.distill.features import Features
    from edgevla.distill.student import Encoder

WINDOW = 4
_HIDDEN = 128
_WIDTH = 192  # both variants together stay below 3 MB
_BATCH = 192


class Lstm(nn.Module):
    """One layer, and a chunk from what it remembers beside what is seen now."""

    def __init__(self) -> None:
        super().__init__()
        self.of_feature = nn.Linear(FEATURE, 4 * _HIDDEN)
        self.of_hidden = nn.Linear(_HIDDEN, 4 * _HIDDEN, bias=False)
        self.answer = nn.Sequential(
            nn.Linear(FEATURE + _HIDDEN, _WIDTH),
            nn.ReLU(),
            nn.Linear(_WIDTH, HORIZON * JOINTS),
            nn.Unflatten(1, (HORIZON, JOINTS)),
        )

    def remember(self, feature: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One observation further, (batch, 128) each."""
        keep, write, show, what = (self.of_feature(feature) + self.of_hidden(hidden)).chunk(4, dim=1)
        cell = (keep + 1.0).sigmoid() * cell + write.sigmoid() * what.tanh()
        return show.sigmoid() * cell.tanh(), cell

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        """(batch, window, 320) observations, those that are there, to the chunk (batch, 12, 6) for the last."""
        hidden = cell = torch.zeros(len(features), _HIDDEN)
        for place in range(features.shape[1]):
            known = there[:, place, None]
            hidden, cell = (x * known for x in self.remember(features[:, place], hidden, cell))
        chunk: Tensor = self.answer(torch.cat([features[:, -1], hidden], 1))
        return chunk


class _Lanes(nn.Module):
    def __init__(self, encoder: nn.Module, head: Lstm) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        *shown, hidden, cell = inputs
        feature = self.encoder(*shown)
        hidden, cell = (torch.cat([x[0, 1:], torch.zeros(1, _HIDDEN)]) for x in (hidden, cell))
        hidden, cell = self.head.remember(feature, hidden, cell)
        chunk = self.head.answer(torch.cat([feature, hidden[:1]], 1))
        return chunk, hidden[None], cell[None]


class RecurrentFamily:
    """See `Family`."""

    kind = "recurrent"

    def __init__(self, features: Features, statistics: Statistics) -> None:
        self._statistics = statistics
        self._row_weight = row_weight_of(features.deltas[0])

    def head(self) -> nn.Module:
        """See `Family.head`."""
        return Lstm()

    def loss(self, head: nn.Module, features: Features, rng: np.random.Generator) -> Tensor:
        """See `Family.loss`."""
        drawn, there = features.draw_rows(_BATCH, rng, WINDOW)
        return plan_loss(head(drawn.feature, there), drawn.deltas, self._row_weight)

    def graphs(self, encoder: Encoder, head: nn.Module, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph | None]:
        """See `Family.graphs`."""
        memory = {name: 0.1 * torch.randn(1, WINDOW, _HIDDEN) for name in ("hidden", "cell")}
        assert isinstance(head, Lstm), "its own head"
        return Graph(_Lanes(encoder, head), {**shown, **memory}, ("deltas", "hidden_next", "cell_next")), None

    def parts(self) -> Parts:
        """See `Family.parts`."""
        return Parts(
            action_of("deltas", HORIZON, mean_std(self._statistics.delta_mean, self._statistics.delta_std)),
            {"recurrent": Recurrent(window=WINDOW, hidden=_HIDDEN)},
        )
