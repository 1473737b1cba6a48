"""A calibration set as the quantiser uses it: one part to set scales, one to choose by, one held out to report on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from edgevla.calibration_set import CalibrationSet, check_set_fits, load_set
from edgevla.policy.preprocess import cameras_of
from edgevla.quantize.errors import SetUnfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.calibration_set import SetItem
    from edgevla.config.policy import Manifest
    from edgevla.messages import Observation

FEWEST = 32
RUN = 4  # neighbours in time look alike, so they stay on one side of the split
_GAP_INTERVALS = 1.5  # past it a policy that remembers forgets, see `edgevla.policy.policy`


@dataclass(frozen=True, slots=True)
class Part:
    """Some observations of a set, read from disk one at a time, as often as they are asked for."""

    source: CalibrationSet
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Observation]:
        return (checked(self.source.observation(index), self.source.folder, index) for index in self.indices)

    @property
    def items(self) -> tuple[SetItem, ...]:
        """What the set's manifest says of each."""
        return tuple(self.source.manifest.items[index] for index in self.indices)

    def first(self, count: int, policy: Manifest) -> Part:
        """At most `count` of them: spread evenly, or, for a policy that remembers, from the beginning without a gap."""
        if count >= len(self):
            return self
        if policy.recurrent is not None:
            return Part(self.source, self.indices[:count])
        return Part(self.source, tuple(self.indices[i * len(self) // count] for i in range(count)))


def load_dataset(folder: Path, bundle: Bundle, *, fewest: int = FEWEST) -> Part:
    """All observations of a set that was taken for this bundle.

    Args:
        fewest: how many it must hold; a handful fixes no scale.

    Raises:
        CalibrationSetError: it is missing, damaged, or was taken for other inputs or joints.
        SetUnfit: too small, or it lacks a camera that the policy looks through.
    """
    source = load_set(folder)
    check_set_fits(source, bundle)
    missing = sorted(set(cameras_of(bundle.manifest)) - source.manifest.cameras.keys())
    if missing:
        raise SetUnfit(
            f"{folder}: has pictures of [{', '.join(source.manifest.cameras)}], none of camera {missing[0]}, through "
            f"which {bundle.folder} looks",
            fix="capture a set for this bundle: edgevla calibrate capture",
        )
    if len(source) < fewest:
        raise SetUnfit(
            f"{folder}: holds {len(source)} observations; at least {fewest} are needed",
            fix="capture more: edgevla calibrate capture goes on where it stopped",
        )
    return Part(source, tuple(range(len(source))))


def split(part: Part, shares: Sequence[int], *, run: int = RUN) -> tuple[Part, ...]:
    """Deal a part out in runs of neighbours, `shares[i]` runs at a time to the i-th of the new parts."""
    dealt: list[list[int]] = [[] for _ in shares]
    turns = [number for number, share in enumerate(shares) for _ in range(share)]
    indices = iter(part.indices)
    for turn in range(-(-len(part) // run)):
        dealt[turns[turn % len(turns)]] += islice(indices, run)
    return tuple(Part(part.source, tuple(each)) for each in dealt)


def remembering(part: Part, policy: Manifest) -> int:
    """How many observations of a part the policy answers as it does on the robot: with its memory full.

    All of them, unless it is recurrent: then those that end an unbroken row of `recurrent.window` observations at
    `action.rate_hz` of one instruction. Each of the others starts from an empty memory, or a short one.
    """
    if policy.recurrent is None:
        return len(part)
    longest_s = _GAP_INTERVALS / policy.action.rate_hz
    row, full, before = 0, 0, None
    for item in part.items:
        follows = before is None or (
            before.instruction == item.instruction and 0.0 < item.t_s - before.t_s <= longest_s
        )
        row = row + 1 if follows else 1
        full += row >= policy.recurrent.window
        before = item
    return full


def gaps(part: Part, policy: Manifest) -> str:
    """What is wrong with a part of which too few observations count for `remembering`, and what would be needed."""
    assert policy.recurrent is not None, "of any other policy all count"
    window, rate_hz = policy.recurrent.window, policy.action.rate_hz
    return (
        f"{part.source.folder}: {policy.name} remembers {window} observations; {remembering(part, policy)} of "
        f"{len(part)} here end an unbroken row of {window} at {rate_hz:g} Hz: it takes whole episodes, in order"
    )


def check_memory(part: Part, policy: Manifest) -> None:
    """Refuse to set scales by, or to judge on, the answers of an empty memory.

    Raises:
        SetUnfit: the policy remembers, and fewer than `FEWEST` observations find its memory full.
    """
    if policy.recurrent is not None and remembering(part, policy) < FEWEST:
        raise SetUnfit(gaps(part, policy), fix="record episodes, every frame of them, and quantise on those")


def checked(observation: Observation, folder: Path, index: int) -> Observation:
    """Let an observation pass that a policy may be shown.

    Raises:
        SetUnfit: a joint is not finite, or a picture is the same everywhere: a lens cap says nothing about scales.
    """
    if not np.isfinite(observation.state_rad).all():
        raise SetUnfit(
            f"{folder}: item {index}: the state is not finite: {observation.state_rad.tolist()}", fix="capture again"
        )
    for camera, image in observation.images.items():
        if image.size == 0 or image.min() == image.max():
            raise SetUnfit(f"{folder}: item {index}: the picture of camera {camera} is blank", fix="capture again")
    return observation
