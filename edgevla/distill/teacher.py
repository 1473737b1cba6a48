# mypy: disallow-subclassing-any=False
"""The teacher: two cameras, words, joints, and a flow-matching head with most of its parameters.

Rich in parameters, cheap in compute: the head sees the chunk as one token, and several noisy chunks share one look at
the pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.distill.denoiser import Denoiser, flow_pair
from edgevla.distill.encoder import IMAGE_PX, JOINTS, Eye, Reader
from edgevla.distill.losses import places_loss, plan_loss

if TYPE_CHECKING:
    from edgevla.distill.batch import Batch

FEATURE = 512
BATCH = 64
RATE = 1e-3
STEPS = 5  # of the flow, from noise to chunk
PLACES = 4  # numbers of the second answer, see `Batch.places`
_WORD = 128
_CHANNELS = 32
_FRONT_KEYPOINTS, _WRIST_KEYPOINTS = 64, 32
_WRIST_PX = IMAGE_PX // 2  # it is near to what it looks at
_DRAWS = 2  # noisy chunks for each look
_PLACES_WEIGHT = 0.2


class Teacher(nn.Module):
    """9 million parameters. `places` is a second answer for training only: it teaches the eyes what words mean."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.reader = Reader(words, _WORD, layers=2)
        self.front = Eye(_CHANNELS, _FRONT_KEYPOINTS, _WORD)
        self.wrist = Eye(_CHANNELS, _WRIST_KEYPOINTS, _WORD, picture_px=_WRIST_PX)
        self.places = nn.Linear(2 * _FRONT_KEYPOINTS, PLACES)
        self.fuse = nn.Sequential(
            nn.Linear(2 * (_FRONT_KEYPOINTS + _WRIST_KEYPOINTS) + _WORD + JOINTS, FEATURE),
            nn.ReLU(),
            nn.Linear(FEATURE, FEATURE),
            nn.ReLU(),
        )
        self.denoiser = Denoiser(FEATURE, width=768, blocks=4, condition=320)

    def look(self, front: Tensor, wrist: Tensor, state: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The feature (batch, 512) and the places of the named blocks (batch, 4), in units of 0.1 m."""
        words = self.reader(tokens)
        seen = self.front(front, words)
        near = self.wrist(functional.avg_pool2d(wrist, 2), words)
        return self.fuse(torch.cat([seen, near, words, state], 1)), self.places(seen)

    def forward(self, front: Tensor, wrist: Tensor, state: Tensor, tokens: Tensor) -> Tensor:
        """The feature: what the exported prefix answers."""
        return self.look(front, wrist, state, tokens)[0]


def teacher_loss(teacher: Teacher, batch: Batch, row_weight: Tensor) -> Tensor:
    """Distance of clean chunks at several noise levels, and of the places of the blocks."""
    feature, places = teacher.look(batch.front, batch.wrist, batch.state, batch.tokens)
    clean = batch.deltas.repeat(_DRAWS, 1, 1)
    noisy, time = flow_pair(clean)
    found = teacher.denoiser(noisy, time, feature.repeat(_DRAWS, 1))
    return plan_loss(found, clean, row_weight) + _PLACES_WEIGHT * places_loss(places, batch)
