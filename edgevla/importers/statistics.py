"""Upstream's statistics to those of policy.yaml: in rad, and with upstream's epsilons inside the numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgevla.bundle import Normalisation
from edgevla.config.statistics_checks import LISTS
from edgevla.importers.errors import ImportRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.importers.answers import JointScale

_STILL = 1e-12  # a spread that un-normalises to the mean, where policy.yaml takes no zero


@dataclass(frozen=True, slots=True)
class Scaling:
    """How upstream normalises one vector, in its own units; None of `low` and `high`: not at all.

    `low`, `high`: (dimensions,) mean and spread, or the bounds of -1..1, with any epsilon added already.
    """

    kind: Literal["mean_std", "quantiles", "min_max", "none"]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def of_state(scaling: Scaling, joints: Sequence[JointScale]) -> Normalisation:
    """Return the statistics of the state.

    Raises:
        ImportRefused: of another length; or a joint stood still in training, so that its slightest move would look to
            the network like nothing it ever saw.
    """
    still = _spread(scaling) < 1e-6
    if scaling.kind != "none" and still.any():
        names = ", ".join(joint.name for joint, is_still in zip(joints, still, strict=False) if is_still)
        raise ImportRefused(
            f"the state of {names} never changed in the training data: its spread is below 1e-6",
            fix="train on data in which every joint of the state moves, or without that joint",
        )
    return _in_rad(scaling, joints, "state")


def of_action(scaling: Scaling, joints: Sequence[JointScale], relative: Sequence[bool]) -> Normalisation:
    """Return the statistics of the actions; the offset of a joint's unit does not count where they are relative.

    Raises:
        ImportRefused: of another length, or not normalised and not in rad.
    """
    flags = [*relative, *[False] * len(joints)]
    flat = [replace(joint, offset_rad=0.0) if flag else joint for joint, flag in zip(joints, flags, strict=False)]
    return _in_rad(scaling, flat, "action")


def _in_rad(scaling: Scaling, joints: Sequence[JointScale], what: str) -> Normalisation:
    if len(scaling.low) != len(joints):
        names = ", ".join(joint.name for joint in joints)
        raise ImportRefused(
            f"the checkpoint's {what} has {len(scaling.low)} numbers, and {len(joints)} joints are named: {names}",
            fix="name the joints of the robot that it was trained on, in its order: --joint NAME=UNIT",
        )
    scale = np.array([joint.scale_rad for joint in joints])
    offset = np.array([joint.offset_rad for joint in joints])
    if scaling.kind == "none":
        if (scale != 1.0).any() or offset.any():
            raise ImportRefused(
                f"the checkpoint does not normalise its {what}, which is not in rad: nothing tells a fault of the "
                "network from an action",
                fix="train it with normalisation",
            )
        zeros, ones = (0.0,) * len(joints), (1.0,) * len(joints)
        return Normalisation(kind="mean_std", mean=zeros, std=ones, mask=(False,) * len(joints))
    low = scale * scaling.low + offset
    if scaling.kind == "mean_std":
        high = np.maximum(scale * scaling.high, _STILL)
    else:
        high = np.maximum(scale * scaling.high + offset, np.nextafter(low, np.inf))
    keys = LISTS[scaling.kind]
    lists = {key: tuple(map(float, values)) for key, values in zip(keys, (low, high), strict=True)}
    return Normalisation(kind=scaling.kind, **lists)  # type: ignore[arg-type]


def _spread(scaling: Scaling) -> NDArray[np.float64]:
    return scaling.high if scaling.kind == "mean_std" else scaling.high - scaling.low
