"""What the encoder, trained once, sees in every row, in a few variations: heads then train in minutes.

The encoder is not changed by a family, so each row needs to be looked at only once for each variation of light, words
and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from edgevla.distill.batches import said
from edgevla.distill.student import FEATURE
from edgevla.files import whole
from edgevla.sim.expert import HORIZON

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress
    from torch import Tensor

    from edgevla.distill.batches import Batches
    from edgevla.distill.store import Rows
    from edgevla.distill.student import Encoder

VIEWS = 3
_SIZE = 256
_TICK_S = 0.1
_SAME_PLACE_RAD, _SAME_PLACE_M = 0.08, 0.01


class Drawn(NamedTuple):
    """A batch for a head."""

    feature: Tensor  # (batch, width), or (batch, window, width) where a row of observations is wanted
    deltas: Tensor  # (batch, 12, 6) normalised, for the last observation
    done: Tensor  # (batch,) bool: the sentence has been carried out, so no motion is wanted


@dataclass(frozen=True)
class Features:
    """The encoder's answers, and what a head should make of them."""

    feature: NDArray[np.float16]  # (views, n, width)
    deltas: NDArray[np.float32]  # (views, n, 12, 6) normalised
    done: NDArray[np.float16]  # (m, width) rows shown with a sentence that has just been carried out
    age: NDArray[np.int64]  # (n,) how many rows of the same episode stand before this one without a gap

    def draw(self, size: int, rng: np.random.Generator, *, done_share: float = 0.0) -> Drawn:
        """Draw single observations, a share of them with an instruction that is done."""
        view, row = rng.integers(len(self.feature), size=size), rng.integers(len(self.age), size=size)
        feature = self.feature[view, row].astype(np.float32)
        done = rng.random(size) < (done_share if len(self.done) else 0.0)
        if done.any():
            feature[done] = self.done[rng.integers(len(self.done), size=int(done.sum()))]
        return Drawn(torch.from_numpy(feature), torch.from_numpy(self.deltas[view, row]), torch.from_numpy(done))

    def draw_rows(self, size: int, rng: np.random.Generator, window: int) -> tuple[Drawn, Tensor]:
        """Draw unbroken rows of observations, and (batch, window) which of them there are: the last always is.

        As many as the episode has before, or fewer, as after a forgotten past.
        """
        view, row = rng.integers(len(self.feature), size=size), rng.integers(len(self.age), size=size)
        known = np.minimum(self.age[row], rng.integers(window, size=size))
        known = np.where(rng.random(size) < 0.5, np.minimum(self.age[row], window - 1), known)
        back = np.arange(window)[::-1]
        there = back <= known[:, None]
        at = np.where(there, row[:, None] - back, row[:, None])
        feature = self.feature[view[:, None], at].astype(np.float32)
        drawn = Drawn(torch.from_numpy(feature), torch.from_numpy(self.deltas[view, row]), torch.zeros(size) > 0)
        return drawn, torch.from_numpy(there)


def look(encoder: Encoder, batches: Batches, rows: Rows, path: Path, *, seed: int, progress: Progress) -> Features:
    """Let the encoder look at every row `VIEWS` times; once, and kept in the file `path`."""
    if not path.exists():
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        count = len(rows)
        feature = np.empty((VIEWS, count, FEATURE), np.float16)
        deltas = np.empty((VIEWS, count, HORIZON, rows.state_rad.shape[1]), np.float32)
        bar = progress.add_task("features", total=VIEWS * -(-count // _SIZE))
        for view in range(VIEWS):
            for start in range(0, count, _SIZE):
                index = np.arange(start, min(start + _SIZE, count))
                batch = batches.take(index, rng)
                with torch.no_grad():
                    feature[view, index] = encoder(*encoder.inputs(batch)).numpy()
                deltas[view, index] = batch.deltas.numpy()
                progress.advance(bar)
        row, task = done_rows(rows)
        words = [ways[0] for ways in said()]
        done = np.empty((len(row), FEATURE), np.float16)
        for start in range(0, len(row), _SIZE):
            part = slice(start, start + _SIZE)
            batch = batches.take(row[part], rng)
            batch = batch._replace(tokens=torch.stack([words[index] for index in task[part]]))
            with torch.no_grad():
                done[part] = encoder(*encoder.inputs(batch)).numpy()
        with whole(path) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, feature=feature, deltas=deltas, done=done, age=ages(rows))
    with np.load(path) as saved:
        return Features(**saved)


def ages(rows: Rows) -> NDArray[np.int64]:
    """(n,): how many rows of the same episode, one every 0.1 s, stand right before each."""
    follows = (rows.episode[1:] == rows.episode[:-1]) & (np.abs(np.diff(rows.t) - _TICK_S) < 0.5 * _TICK_S)
    age = np.zeros(len(rows), np.int64)
    for row in range(1, len(rows)):
        age[row] = age[row - 1] + 1 if follows[row - 1] else 0
    return age


def done_rows(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First rows of episodes that begin where the one before ended, arm and blocks, and that one's task.

    An episode is only followed on when it succeeded, so its sentence has been carried out there.
    """
    first = np.flatnonzero(rows.episode[1:] != rows.episode[:-1]) + 1
    arm_rad = np.abs(rows.state_rad[first] - rows.state_rad[first - 1]).max(1)
    blocks_m = np.abs(rows.block_m[first] - rows.block_m[first - 1]).max((1, 2))
    other = rows.task[first] != rows.task[first - 1]
    row = first[(arm_rad < _SAME_PLACE_RAD) & (blocks_m < _SAME_PLACE_M) & other]
    return row.astype(np.int64), np.asarray(rows.task[row - 1])
