"""One loop for every network here: AdamW, a cosine, averaged weights. Seeded and resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from edgevla.files import whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.progress import Progress
    from torch import Tensor, nn

    Loss = Callable[[Any, np.random.Generator], Tensor]

Network = TypeVar("Network", bound="nn.Module")

_WEIGHT_DECAY = 1e-4
_WARM_UP_STEPS = 200
_CHECKPOINT_STEPS = 250
_AVERAGE = 0.998  # of the weights that are kept, each step, for the averaged network


class Training:
    """Everything that changes from step to step, and that a checkpoint holds.

    Args:
        network: with its first weights.
        steps: how many there will be; the learning rate falls to 0 over them.
        rate: the highest learning rate.
        seed: of everything drawn.
    """

    def __init__(self, network: nn.Module, steps: int, rate: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.network = network
        self.averaged = torch.optim.swa_utils.AveragedModel(
            network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(_AVERAGE)
        )
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=_WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _share(step, steps))
        self.recent: list[float] = []
        self.done = 0

    def step(self, loss_of: Loss) -> None:
        """One batch."""
        loss = loss_of(self.network, self.rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.averaged.update_parameters(self.network)
        self.recent = [*self.recent[-199:], loss.item()]
        self.done += 1

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint; there is a whole one at any time."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "averaged", "optimiser", "schedule")}
        state = {"rng": self.rng.bit_generator.state, "torch_rng": torch.get_rng_state()}
        with whole(checkpoint) as draft:
            torch.save(parts | state | {"recent": self.recent, "done": self.done}, draft)

    def restore(self, checkpoint: Path) -> None:
        """Go on exactly where `save` was called."""
        saved = torch.load(checkpoint, weights_only=False)
        for name in ("network", "averaged", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(saved[name])
        self.rng.bit_generator.state = saved["rng"]
        torch.set_rng_state(saved["torch_rng"])
        self.recent, self.done = saved["recent"], saved["done"]


def train(
    network: Network,
    loss_of: Loss,
    checkpoint: Path,
    *,
    steps: int,
    rate: float,
    seed: int,
    progress: Progress,
) -> tuple[Network, float]:
    """Train for `steps`; continue from `checkpoint` when it is there.

    Args:
        network: changed in place.
        loss_of: draws a batch and returns the loss of a network on it.

    Returns:
        the averaged network and the mean loss of the last 200 steps.
    """
    network.train()
    training = Training(network, steps, rate, seed)
    if checkpoint.exists():
        training.restore(checkpoint)
    bar = progress.add_task(checkpoint.stem, total=steps, completed=training.done)
    while training.done < steps:
        training.step(loss_of)
        loss = float(np.mean(training.recent))
        progress.update(bar, completed=training.done, description=f"{checkpoint.stem} loss {loss:.4f}")
        if training.done % _CHECKPOINT_STEPS == 0 or training.done == steps:
            training.save(checkpoint)
    finished: Network = training.averaged.module
    return finished.eval(), float(np.mean(training.recent))


def load_averaged(network: Network, checkpoint: Path) -> Network:
    """Fill a network with the averaged weights of a training, and set it to be used."""
    saved = torch.load(checkpoint, weights_only=False)["averaged"]
    weights = {name.removeprefix("module."): value for name, value in saved.items() if name.startswith("module.")}
    network.load_state_dict(weights)
    network.eval()
    return network


def _share(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return warm * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, step / steps))))
