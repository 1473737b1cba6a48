# mypy: disallow-subclassing-any=False
"""The head of flow and diffusion: what the chunk was before noise was added to it.

It predicts the clean chunk, not the velocity or the noise: both follow from it, and the last step of either loop then
ends in exactly what the network said. Near rows of a chunk are small beside the noise, and keep their precision this
way (Li and He, "Back to basics: let denoising generative models denoise", 2025).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.distill.encoder import JOINTS
from edgevla.sim.expert import HORIZON

NUMBERS = HORIZON * JOINTS
_WAVES = 16  # of the time embedding
_LEAST_TIME = 0.05  # nearer to the clean chunk than any step of the loops begins


class Block(nn.Module):
    """Two layers whose input and output the condition scales and shifts (AdaLN, Peebles and Xie 2023)."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(condition, 3 * width)
        self.widen, self.narrow = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(batch, width) and (batch, condition) to (batch, width)."""
        scale, shift, gate = self.modulate(condition).chunk(3, dim=-1)
        inner = self.norm(x) * (1.0 + scale) + shift
        return x + (1.0 + gate) * self.narrow(functional.gelu(self.widen(inner)))


class Denoiser(nn.Module):
    """Noisy chunk, time and feature to the clean chunk: an MLP over the flattened chunk, one token."""

    def __init__(self, feature: int, *, width: int, blocks: int, condition: int) -> None:
        super().__init__()
        self.register_buffer("waves", torch.exp(torch.linspace(0.0, math.log(100.0), _WAVES)))
        self.of_time = nn.Linear(2 * _WAVES, condition)
        self.of_feature = nn.Linear(feature, condition)
        self.enter = nn.Linear(NUMBERS, width)
        self.blocks = nn.ModuleList(Block(width, condition) for _ in range(blocks))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, NUMBERS))

    def forward(self, noisy: Tensor, time: Tensor, feature: Tensor) -> Tensor:
        """(batch, 12, 6) normalised, (batch,) share of noise in 0..1, (batch, feature), to (batch, 12, 6)."""
        angle = time[:, None] * self.waves
        waves = torch.cat([angle.sin(), angle.cos()], -1)
        condition = functional.silu(self.of_time(waves) + self.of_feature(feature))
        x = self.enter(noisy.flatten(1))
        for block in self.blocks:
            x = block(x, condition)
        return self.leave(x).reshape(-1, HORIZON, JOINTS)


def flow_velocity(clean: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
    """d noisy / d time of the straight path with noise at time 1; `time` (batch,) is above 0."""
    return (noisy - clean) / time[:, None, None]


def flow_pair(clean: Tensor) -> tuple[Tensor, Tensor]:
    """Chunks (batch, 12, 6) with noise added, and how much, (batch,) in 0.05..1, uniform."""
    time = _LEAST_TIME + (1.0 - _LEAST_TIME) * torch.rand(len(clean))
    at = time[:, None, None]
    return at * torch.randn_like(clean) + (1.0 - at) * clean, time


def sample_flow(denoiser: Denoiser, feature: Tensor, *, steps: int, generator: torch.Generator) -> Tensor:
    """Draw one chunk (batch, 12, 6), normalised, for each feature: Euler steps from noise at time 1 to time 0."""
    x = torch.randn(len(feature), HORIZON, JOINTS, generator=generator)
    for step in range(steps):
        time = torch.full((len(feature),), 1.0 - step / steps)
        x = x - flow_velocity(denoiser(x, time, feature), x, time) / steps
    return x
