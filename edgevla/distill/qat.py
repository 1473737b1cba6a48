# mypy: disallow-subclassing-any=False
"""Training with the rounding of INT8 in it, so that quantising afterwards costs less.

Weights are rounded by a scale for each output channel, inputs by one for the tensor: what the Q/DQ nodes of
`edgevla/quantize` do. Gradients pass the rounding as if it were not there (Bengio et al. 2013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from typing import Any

_LARGEST = 127
_KEEP = 0.99  # of the largest input seen so far, each step
_TINY = 1e-8


class RoundedWeight(nn.Module):
    """Stands between a layer and its weights."""

    def forward(self, weight: Tensor) -> Tensor:
        """Of the weights' shape, on a grid of 255 steps for each output channel."""
        largest = weight.detach().abs().flatten(1).amax(1).clamp(min=_TINY)
        return _rounded(weight, (largest / _LARGEST).reshape(-1, *[1] * (weight.ndim - 1)))


class RoundedInput(nn.Module):
    """Stands in front of a layer, and remembers how large its inputs get."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("largest", torch.zeros(()))

    def forward(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The first input on a grid of 255 steps."""
        if self.training:
            seen = inputs[0].detach().abs().amax()
            self.largest.copy_(torch.maximum(seen, _KEEP * self.largest))
        scale = self.largest.clamp(min=_TINY) / _LARGEST
        return (_rounded(inputs[0], scale).clamp(-_LARGEST * scale, _LARGEST * scale), *inputs[1:])


def round_layers(network: nn.Module) -> nn.Module:
    """Put rounding into every convolution and linear layer of a network, in place."""
    for layer in [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]:
        parametrize.register_parametrization(layer, "weight", RoundedWeight())
        layer.rounding = RoundedInput()
        layer.rounding.train(layer.training)
        layer.register_forward_pre_hook(_round_input)
    return network


def unround_layers(network: nn.Module) -> nn.Module:
    """Take the rounding out again, in place; the weights stay on the grid, the inputs are exact."""
    for layer in [each for each in network.modules() if hasattr(each, "rounding")]:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        layer._forward_pre_hooks.clear()
        del layer.rounding
    return network


def _round_input(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    rounded: tuple[Any, ...] = layer.rounding(layer, inputs)
    return rounded


def _rounded(x: Tensor, scale: Tensor) -> Tensor:
    return x + ((x / scale).round() * scale - x).detach()
