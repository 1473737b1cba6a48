"""Imitation: the student learns the expert's plans by regression. Seeded and resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from edgevla.distill.batches import Batches
from edgevla.distill.sentences import vocabulary
from edgevla.distill.student import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress
    from torch import Tensor

    from edgevla.distill.batches import Statistics
    from edgevla.distill.demonstrations import Samples

BATCH = 64
_LEARNING_RATE = 1.5e-3
_WEIGHT_DECAY = 1e-4
_WARM_UP_STEPS = 200
_CHECKPOINT_STEPS = 500
_BLOCK_WEIGHT = 0.2
_AVERAGE = 0.998  # of the weights that are kept, each step, for the averaged student


class Training:
    """Everything that changes from step to step, and that a checkpoint holds.

    Args:
        steps: how many there will be; the learning rate falls to 0 over them.
        seed: of the first weights and of everything drawn.
    """

    def __init__(self, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.student = Policy(len(vocabulary()))
        self.averaged = torch.optim.swa_utils.AveragedModel(
            self.student, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(_AVERAGE)
        )
        self.optimiser = torch.optim.AdamW(self.student.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, steps))
        self.recent: list[float] = []
        self.done = 0

    def step(self, batches: Batches) -> None:
        """One batch."""
        loss = _loss(self.student, batches, self.rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.averaged.update_parameters(self.student)
        self.recent = [*self.recent[-199:], loss.item()]
        self.done += 1

    def begin_with(self, checkpoint: Path) -> None:
        """Take over the averaged weights of a finished training, and nothing else of it."""
        self.averaged.load_state_dict(torch.load(checkpoint, weights_only=False)["averaged"])
        self.student.load_state_dict(self.averaged.module.state_dict())

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint; there is a whole one at any time."""
        draft = checkpoint.with_suffix(".draft")
        parts = {name: getattr(self, name).state_dict() for name in ("student", "averaged", "optimiser", "schedule")}
        state = {"rng": self.rng.bit_generator.state, "torch_rng": torch.get_rng_state()}
        torch.save(parts | state | {"recent": self.recent, "done": self.done}, draft)
        draft.rename(checkpoint)

    def restore(self, checkpoint: Path) -> None:
        """Go on exactly where `save` was called."""
        saved = torch.load(checkpoint, weights_only=False)
        for name in ("student", "averaged", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(saved[name])
        self.rng.bit_generator.state = saved["rng"]
        torch.set_rng_state(saved["torch_rng"])
        self.recent, self.done = saved["recent"], saved["done"]


def train(
    samples: Samples,
    statistics: Statistics,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
    start: Path | None = None,
    progress: Progress,
) -> tuple[Policy, float]:
    """Train for `steps`; continue from `checkpoint` when it is there.

    Args:
        start: the checkpoint of a finished training whose weights to begin with.

    Returns:
        the averaged student and the mean loss of the last 200 steps.
    """
    training = Training(steps, seed)
    if checkpoint.exists():
        training.restore(checkpoint)
    elif start is not None:
        training.begin_with(start)
    batches = Batches(samples, statistics)
    bar = progress.add_task(checkpoint.stem, total=steps, completed=training.done)
    while training.done < steps:
        training.step(batches)
        loss = float(np.mean(training.recent))
        progress.update(bar, completed=training.done, description=f"{checkpoint.stem} loss {loss:.4f}")
        if training.done % _CHECKPOINT_STEPS == 0 or training.done == steps:
            training.save(checkpoint)
    finished: Policy = training.averaged.module
    return finished.eval(), float(np.mean(training.recent))


def _loss(student: Policy, batches: Batches, rng: np.random.Generator) -> Tensor:
    batch = batches.draw(BATCH, rng)
    deltas, block = student.answers(batch.front, batch.state, batch.tokens)
    plan_loss = functional.smooth_l1_loss(deltas, batch.deltas, beta=0.1, reduction="none")
    block_loss = functional.smooth_l1_loss(block, batch.block, beta=0.1, reduction="none").mean(1)
    return (plan_loss * batches.row_weight[:, None]).mean() + _BLOCK_WEIGHT * (block_loss * ~batch.blind).mean()


def _rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return warm * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, step / steps))))
