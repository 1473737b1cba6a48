# mypy: disallow-subclassing-any=False
"""LeRobot's ACT: pictures and state to a chunk, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from edgevla.config.policy_families import Execution
from edgevla.importers import statistics
from edgevla.importers.errors import ImportRefused
from edgevla.importers.export import Piece
from edgevla.importers.lerobot.files import ACTION, STATE
from edgevla.importers.lerobot.inputs import Camera, cameras_of, examples, named, state_spec
from edgevla.importers.network import Network

if TYPE_CHECKING:
    from edgevla.importers.answers import Answers
    from edgevla.importers.lerobot.files import Checkpoint
    from edgevla.importers.lerobot.policy import Upstream

OUTPUT = "actions"


class ActGraph(nn.Module):
    """The policy with the pictures' normalisation before it."""

    def __init__(self, upstream: Upstream, checkpoint: Checkpoint, cameras: list[Camera]) -> None:
        super().__init__()
        self.model = upstream.policy.model
        self._cameras = cameras
        for index, camera in enumerate(cameras):
            scaling = checkpoint.pictures.get(camera.feature)
            mean, std = (torch.zeros(3), torch.ones(3)) if scaling is None else mean_and_spread(camera.feature, scaling)
            self.register_buffer(f"mean_{index}", mean.reshape(1, 3, 1, 1))
            self.register_buffer(f"std_{index}", std.reshape(1, 3, 1, 1))

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        """Pictures in 0..1 by camera, then the state: the normalised chunk."""
        names = [camera.name for camera in self._cameras]
        batch = named(self._cameras, dict(zip([*names, "state"], values, strict=True)))
        pictures = [
            (batch[camera.feature] - self.get_buffer(f"mean_{index}")) / self.get_buffer(f"std_{index}")
            for index, camera in enumerate(self._cameras)
        ]
        actions: torch.Tensor = self.model({"observation.images": pictures, STATE: batch[STATE]})[0]
        return actions


def mean_and_spread(feature: str, scaling: statistics.Scaling) -> tuple[torch.Tensor, torch.Tensor]:
    """The statistics of a camera's channels, float32 as LeRobot has them.

    Raises:
        ImportRefused: they are no mean and standard deviation.
    """
    if scaling.kind != "mean_std":
        raise ImportRefused(f"{feature}: pictures must be normalised by MEAN_STD, not by {scaling.kind}")
    return torch.from_numpy(scaling.low).float(), torch.from_numpy(scaling.high).float()


def network(checkpoint: Checkpoint, upstream: Upstream, answers: Answers) -> Network:
    """Return ACT's one graph."""
    cameras = cameras_of(checkpoint, answers, fits_any_size=False)
    if len(cameras) != len(checkpoint.cameras):
        raise ImportRefused("ACT needs every camera that it was trained with")
    inputs = (*(camera.spec for camera in cameras), state_spec(len(answers.joints)))
    ensemble = checkpoint.config.get("temporal_ensemble_coeff")
    return Network(
        family="regression",
        prefix=Piece("policy", ActGraph(upstream, checkpoint, cameras), examples(inputs), (OUTPUT,)),
        inputs=inputs,
        state=statistics.of_state(checkpoint.scalings[STATE], answers.joints),
        action=statistics.of_action(checkpoint.scalings[ACTION], answers.joints, checkpoint.relative),
        horizon=checkpoint.config["chunk_size"],
        relative=checkpoint.relative,
        output=OUTPUT,
        sections={} if ensemble is None else {"execution": Execution(kind="ensemble", decay=ensemble)},
    )
