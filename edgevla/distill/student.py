# mypy: disallow-subclassing-any=False
"""The student: one small encoder for every family, and the head of the family it is trained with.

Pictures (1, 3, 96, 96) in 0..1 of the front camera and, where the gripper is needed, of the wrist's, normalised joint
positions (1, 6) and word ids (1, length) go in; a feature comes out, which each family's head turns into its kind of
answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.distill import teacher
from edgevla.distill.encoder import IMAGE_PX, JOINTS, Eye, Reader
from edgevla.distill.losses import places_loss, plan_loss
from edgevla.sim.expert import HORIZON

if TYPE_CHECKING:
    from edgevla.distill.batch import Batch

FEATURE = 320
BATCH = 64
RATE = 1.5e-3
_WORD = 64
_CHANNELS = 32
_KEYPOINTS = 40
_NEAR_CHANNELS, _NEAR_KEYPOINTS = 16, 16
_NEAR_PX = IMAGE_PX // 2  # the wrist camera is near to what it looks at
_PLACES_WEIGHT = 0.2
_MATCH_WEIGHT = 0.1


class Encoder(nn.Module):
    """Pictures, words and joints to the feature that every head reads.

    Args:
        words: in the vocabulary.
        wrist: whether it looks through the wrist camera too.
    """

    def __init__(self, words: int, *, wrist: bool = False) -> None:
        super().__init__()
        self.reader = Reader(words, _WORD)
        self.eye = Eye(_CHANNELS, _KEYPOINTS, _WORD)
        self.near = Eye(_NEAR_CHANNELS, _NEAR_KEYPOINTS, _WORD, picture_px=_NEAR_PX) if wrist else None
        keypoints = _KEYPOINTS + (_NEAR_KEYPOINTS if wrist else 0)
        self.trunk = nn.Sequential(
            nn.Linear(2 * keypoints + _WORD + JOINTS, FEATURE),
            nn.ReLU(),
            nn.Linear(FEATURE, FEATURE),
            nn.ReLU(),
        )

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose pictures it takes, in their order."""
        return ("front",) if self.near is None else ("front", "wrist")

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """What it is shown of a batch."""
        return *(getattr(batch, camera) for camera in self.cameras), batch.state, batch.tokens

    def look(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures, state and tokens to the feature (batch, 320) and the keypoints of the front picture (batch, 80)."""
        *pictures, state, tokens = inputs
        words = self.reader(tokens)
        seen = self.eye(pictures[0], words)
        near = () if self.near is None else (self.near(functional.avg_pool2d(pictures[1], 2), words),)
        return self.trunk(torch.cat([seen, *near, words, state], 1)), seen

    def forward(self, *inputs: Tensor) -> Tensor:
        """The feature only: what is exported."""
        return self.look(*inputs)[0]


class Regressor(nn.Sequential):
    """The regression head: a feature to deltas (batch, 12, 6), normalised."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(FEATURE, FEATURE),
            nn.ReLU(),
            nn.Linear(FEATURE, HORIZON * JOINTS),
            nn.Unflatten(1, (HORIZON, JOINTS)),
        )


class Student(nn.Module):
    """The encoder with a regression head, and two answers for training only, which are not exported.

    `places`, where the named blocks are, teaches the eye what words mean long before plans would. `match` is compared
    with the teacher's feature.
    """

    def __init__(self, words: int, *, wrist: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(words, wrist=wrist)
        self.head = Regressor()
        self.places = nn.Linear(2 * _KEYPOINTS, teacher.PLACES)
        self.match = nn.Linear(FEATURE, teacher.FEATURE)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Deltas (batch, 12, 6), normalised: what is exported."""
        deltas: Tensor = self.head(self.encoder(*inputs))
        return deltas


def student_loss(student: Student, batch: Batch, row_weight: Tensor) -> Tensor:
    """Distance to the plans, to the places of the blocks and, where the batch has it, to the teacher's feature."""
    feature, seen = student.encoder.look(*student.encoder.inputs(batch))
    loss = plan_loss(student.head(feature), batch.deltas, row_weight)
    loss = loss + _PLACES_WEIGHT * places_loss(student.places(seen), batch)
    if batch.feature.shape[1]:
        found, wanted = (functional.layer_norm(x, x.shape[1:]) for x in (student.match(feature), batch.feature))
        loss = loss + _MATCH_WEIGHT * ((found - wanted).square().mean(1) * ~batch.blind).mean()
    return loss
