"""How far one policy's decoded actions are from another's, in the robot's units: what quantisation costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.config.quantisation import Quantisation

_GRIPPER = "gripper"
_MOVES_RAD = 0.05  # a gripper whose reference stays within this does not open or close on the set


class JointError(msgspec.Struct, frozen=True, kw_only=True):
    """One joint over all rows of all observations."""

    name: str
    unit: str
    mean: float
    p99: float
    worst: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Of one number an observation."""

    mean: float
    median: float
    min: float


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """A policy beside its reference, over a set. `cosine` is between the motions of the two chunks."""

    observations: int
    joints: tuple[JointError, ...]
    cosine: Spread
    gripper_flips: float  # share of rows in which the gripper is on the other side of its middle

    @property
    def mean_rad(self) -> float:
        """The mean error of the worst joint."""
        return max(joint.mean for joint in self.joints)

    @property
    def p99_rad(self) -> float:
        """The 99th percentile of the worst joint."""
        return max(joint.p99 for joint in self.joints)

    @property
    def worst_rad(self) -> float:
        """The largest error of any joint in any row."""
        return max(joint.worst for joint in self.joints)

    def share_of(self, budget: Quantisation) -> float:
        """How much of the budget is spent; above 1 it is missed. Flips where none is allowed count 1 and more."""
        flips = self.gripper_flips
        of_flips = flips / budget.gripper_flips if budget.gripper_flips else (1.0 + flips if flips else 0.0)
        return max(
            self.mean_rad / budget.mean_rad,
            self.p99_rad / budget.p99_rad,
            self.worst_rad / budget.worst_rad,
            of_flips,
        )


def compare(
    names: Sequence[str],
    reference_rad: NDArray[np.float64],
    found_rad: NDArray[np.float64],
    state_rad: NDArray[np.float64],
) -> Deviation:
    """Compare chunks of the same observations.

    Args:
        names: of the joints.
        reference_rad: (observations, horizon, joints), absolute setpoints of the float policy.
        found_rad: the same of the other.
        state_rad: (observations, joints), where the joints were: a chunk's motion is its difference to that.
    """
    errors = np.abs(found_rad - reference_rad)
    flat = errors.reshape(-1, errors.shape[-1])
    return Deviation(
        observations=len(errors),
        joints=tuple(
            JointError(
                name=name,
                unit="rad",
                mean=float(column.mean()),
                p99=float(np.percentile(column, 99)),
                worst=float(column.max()),
            )
            for name, column in zip(names, flat.T, strict=True)
        ),
        cosine=_cosine(reference_rad - state_rad[:, np.newaxis], found_rad - state_rad[:, np.newaxis]),
        gripper_flips=_flips(names, reference_rad, found_rad),
    )


def as_results(deviation: Deviation) -> dict[str, Any]:
    """For the `results` of a report."""
    return {
        "observations": deviation.observations,
        "joints": [msgspec.to_builtins(joint) for joint in deviation.joints],
        "cosine": msgspec.to_builtins(deviation.cosine),
        "gripper_flips": deviation.gripper_flips,
    }


def _cosine(reference: NDArray[np.float64], found: NDArray[np.float64]) -> Spread:
    a, b = (motion.reshape(len(motion), -1) for motion in (reference, found))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.divide((a * b).sum(axis=1), lengths, out=np.ones(len(a)), where=lengths > 0)
    return Spread(mean=float(cosines.mean()), median=float(np.median(cosines)), min=float(cosines.min()))


def _flips(names: Sequence[str], reference_rad: NDArray[np.float64], found_rad: NDArray[np.float64]) -> float:
    flips = [0.0]
    for index, name in enumerate(names):
        column = reference_rad[..., index]
        if _GRIPPER not in name.lower() or np.ptp(column) <= _MOVES_RAD:
            continue
        middle = (column.min() + column.max()) / 2.0
        flips.append(float(((column > middle) != (found_rad[..., index] > middle)).mean()))
    return max(flips)
