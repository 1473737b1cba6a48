# mypy: disallow-subclassing-any=False
"""The flow and diffusion families: one look, then a few steps from noise to a chunk, as pi0's and Octo's heads."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgevla.config.policy_families import Diffusion, Flow
from edgevla.distill.denoiser import Denoiser, flow_pair, flow_velocity
from edgevla.distill.encoder import JOINTS
from edgevla.distill.families.base import Graph, Parts, action_of, mean_std
from edgevla.distill.losses import plan_loss, row_weight_of
from edgevla.distill.student import FEATURE
from edgevla.policy.decode.schedules import betas_of
from edgevla.sim.expert import HORIZON

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from edgevla.distill.batches import Statistics
    from edgevla.distill.features import Features
    from edgevla.distill.student import Encoder

_BATCH = 192
_DRAWS = 3  # noisy chunks for each observation
_FLOW = Flow(steps=5, direction="noise_at_1")
_DIFFUSION = Diffusion(schedule="cosine", train_steps=20, steps=10, sampler="ddim", clip=6.0)


class Denoised:
    """What the two share: a `Denoiser` that is shown a noisy chunk, how much of it is noise, and the feature."""

    def __init__(self, features: Features, statistics: Statistics) -> None:
        self._statistics = statistics
        self._row_weight = row_weight_of(features.deltas[0])

    def head(self) -> nn.Module:
        """See `Family.head`."""
        return Denoiser(FEATURE, width=160, blocks=2, condition=128)

    def loss(self, head: nn.Module, features: Features, rng: np.random.Generator) -> Tensor:
        """See `Family.loss`."""
        drawn = features.draw(_BATCH, rng)
        clean = drawn.deltas.repeat(_DRAWS, 1, 1)
        noisy, time = self._noisy(clean)
        return plan_loss(head(noisy, time, drawn.feature.repeat(_DRAWS, 1)), clean, self._row_weight)

    def graphs(self, encoder: Encoder, head: nn.Module, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph | None]:
        """See `Family.graphs`."""
        sample, feature = torch.randn(1, HORIZON, JOINTS), torch.rand(1, FEATURE)
        step, time, answer = self._step(head)
        inputs = {"sample": sample, "time": time, "feature": feature}
        return Graph(encoder, shown, ("feature",)), Graph(step, inputs, (answer,))

    @abstractmethod
    def _noisy(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Chunks with noise added, and the time the network is told."""

    @abstractmethod
    def _step(self, head: nn.Module) -> tuple[nn.Module, Tensor, str]:
        """The module of a step, an example of its time, and what it calls its answer."""

    def _action(self) -> Parts:
        statistics = self._statistics
        return Parts(action_of("actions", HORIZON, mean_std(statistics.delta_mean, statistics.delta_std)))


class Velocity(nn.Module):
    """The step graph of a flow: where the sample should go."""

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, sample: Tensor, time: Tensor, feature: Tensor) -> Tensor:
        """(1, 12, 6), (1,) and (1, width) to (1, 12, 6)."""
        return flow_velocity(self.denoiser(sample, time, feature), sample, time)


class FlowFamily(Denoised):
    """See `Family`."""

    kind = "flow"

    def parts(self) -> Parts:
        """See `Family.parts`."""
        return Parts(self._action().action, {"flow": _FLOW})

    def _noisy(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        return flow_pair(clean)

    def _step(self, head: nn.Module) -> tuple[nn.Module, Tensor, str]:
        return Velocity(head), torch.tensor([0.6]), "velocity"


def _alpha_bars() -> Tensor:
    betas = torch.from_numpy(betas_of(_DIFFUSION)).float()
    return torch.cumprod(1.0 - betas, 0)


class _Noise(nn.Module):
    """The noise in a sample, from the clean chunk that the network sees in it."""

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser
        alpha_bars = _alpha_bars()
        self.register_buffer("signal", alpha_bars.sqrt())
        self.register_buffer("spread", (1.0 - alpha_bars).sqrt())

    def forward(self, sample: Tensor, time: Tensor, feature: Tensor) -> Tensor:
        share = (time.float() + 1.0) / len(self.signal)
        clean = self.denoiser(sample, share, feature)
        return (sample - self.signal[time][:, None, None] * clean) / self.spread[time][:, None, None]


class DiffusionFamily(Denoised):
    """See `Family`."""

    kind = "diffusion"

    def parts(self) -> Parts:
        """See `Family.parts`."""
        return Parts(self._action().action, {"diffusion": _DIFFUSION})

    def _noisy(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        alpha_bars = _alpha_bars()
        step = torch.randint(len(alpha_bars), (len(clean),))
        at = alpha_bars[step][:, None, None]
        return at.sqrt() * clean + (1.0 - at).sqrt() * torch.randn_like(clean), (step + 1.0) / len(alpha_bars)

    def _step(self, head: nn.Module) -> tuple[nn.Module, Tensor, str]:
        return _Noise(head), torch.tensor([10]), "noise"
