"""Who plans in an evaluation: the bundle's policy, the scripted expert, or the policy robbed of one of its senses."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgevla.messages import Chunk
from edgevla.sim.expert import HORIZON, RATE_HZ, Expert
from edgevla.sim.world import COLOURS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgevla.messages import Observation
    from edgevla.policy.policy import Policy
    from edgevla.sim.tasks import Task
    from edgevla.sim.world import World

    Act = Callable[[Observation, int], Chunk]

ABLATIONS = ("none", "wrong-colour", "black-image", "zero-action")


def expert(world: World, task: Task) -> Act:
    """The scripted expert, which sees the blocks' true poses."""
    planner = Expert()

    def act(observation: Observation, seq: int) -> Chunk:
        rows = planner.plan(observation.state_rad, world.block_poses(), task)
        return _chunk(observation, seq, rows)

    return act


def ablated(policy: Policy, ablation: str) -> Act:
    """The policy under one of `ABLATIONS`; what is left of its success says what it does not use."""

    def act(observation: Observation, seq: int) -> Chunk:
        if ablation == "zero-action":
            return _chunk(observation, seq, np.tile(observation.state_rad, (HORIZON, 1)))
        return policy.act(_rob(observation, ablation), seq)

    return act


def told(act: Act, sentence: str) -> Act:
    """The same planner, spoken to in other words than the task's own."""

    def spoken_to(observation: Observation, seq: int) -> Chunk:
        return act(dataclasses.replace(observation, instruction=sentence), seq)

    return spoken_to


def wrong_colour(sentence: str) -> str:
    """The same sentence about the next colour."""
    following = dict(zip(COLOURS, COLOURS[1:] + COLOURS[:1], strict=True))
    return " ".join(following.get(word, word) for word in sentence.split())


def _rob(observation: Observation, ablation: str) -> Observation:
    images, instruction = observation.images, observation.instruction
    if ablation == "black-image":
        images = {name: np.zeros_like(image) for name, image in images.items()}
    if ablation == "wrong-colour":
        instruction = wrong_colour(instruction)
    return dataclasses.replace(observation, images=images, instruction=instruction)


def _chunk(observation: Observation, seq: int, rows: NDArray[np.float64]) -> Chunk:
    return Chunk(
        seq=seq,
        t_obs_s=observation.t_obs_s,
        rate_hz=RATE_HZ,
        actions_rad=msgspec.convert(rows.tolist(), tuple[tuple[float, ...], ...]),
        valid=True,
        instruction=observation.instruction,
    )
