"""What every decoder is: the outputs of a graph to setpoints, or a reason why not; and what all families share.

Inside a decoder a fault is raised as `Invalid` where it is found; `decode` turns it into `Decoded.invalid`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgevla.engine.decode_node import ACTIONS, VERDICTS
from edgevla.engine.native import why
from edgevla.engine.native_abi import VERDICT
from edgevla.policy.delta import is_delta, to_absolute
from edgevla.policy.normalise import Unnormalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest

# Largest normalised number that is believed. Training data end near 6 standard deviations, and a broken graph starts in
# the hundreds; a normal distribution's 20 deviations are 9 half-widths between its quantiles; between minimum and
# maximum nothing in training went beyond 1, and 4 leaves room for an angle in rad that passes through.
FARTHEST: Mapping[str, float] = {"mean_std": 20.0, "quantiles": 10.0, "min_max": 4.0}
UNITS: Mapping[str, str] = {
    "mean_std": "standard deviations from the mean of the training data",
    "quantiles": "half-widths from the middle of the training data's quantiles",
    "min_max": "half-widths from the middle of the training data",
}


class Invalid(Exception):
    """Why network output must not turn into motion. It never leaves a decoder."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Absolute joint setpoints (horizon, joints) in rad; or no rows, never zeros, and the reason.

    Of a policy for an end effector a decoder returns that one's rows, which kinematics then turns into joints.

    `done`: the policy says that it has carried out the instruction. Its rows are then the measured joint positions.
    """

    actions_rad: NDArray[np.float64]
    valid: bool
    reason: str = ""
    done: bool = False

    @classmethod
    def invalid(cls, reason: str) -> Decoded:
        """Nothing to play: the arm holds."""
        return cls(np.empty((0, 0)), False, reason)

    @classmethod
    def finished(cls, state_rad: NDArray[np.float64], horizon: int) -> Decoded:
        """Stand still: (horizon, joints) times the measured position, if that is known."""
        return cls(np.tile(state_rad, (horizon, 1)), True, done=True).if_finite()

    def if_finite(self) -> Decoded:
        """Return this, or invalid where a row of it is no number."""
        if not self.valid or np.isfinite(self.actions_rad).all():
            return self
        row, column = np.argwhere(~np.isfinite(self.actions_rad))[0]
        found = self.actions_rad[row, column]
        return Decoded.invalid(f"row {row}, number {column} of the chunk: {found} is no setpoint")


class Decoder(Protocol):
    """One policy family. Stateless: what a policy remembers between observations is the engine's to keep."""

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode one run of the graph.

        Args:
            outputs: the graph's outputs by name; whatever they hold ends in `Decoded`, never in an exception.
            state_rad: (joints,) the measured positions of the observation.
        """
        ...


def read(
    outputs: Mapping[str, NDArray[Any]], name: str, shape: tuple[int | None, ...], kind: str = "f"
) -> NDArray[Any]:
    """Return the output `name`, which must have this shape and kind of dtype.

    Args:
        shape: None stands for any length from 1 on.
        kind: "f" float, "i" signed integer.

    Raises:
        Invalid: it is missing, or another.
    """
    value = outputs.get(name)
    if value is None:
        raise Invalid(f"the graph gave no output {name}")
    fits = len(value.shape) == len(shape) and all(
        found == length or (length is None and found > 0) for length, found in zip(shape, value.shape, strict=True)
    )
    if not fits or value.dtype.kind != kind:
        promised = ", ".join("any" if length is None else str(length) for length in shape)
        word = {"f": "float", "i": "int"}[kind]
        raise Invalid(f"output {name} is {value.dtype} {value.shape}, policy.yaml says {word} ({promised})")
    return value


def read_finite(outputs: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the float output `name` as float32.

    Raises:
        Invalid: it is missing, of another shape or dtype, or not finite.
    """
    value: NDArray[np.float32] = read(outputs, name, shape).astype(np.float32, copy=False)
    if not np.isfinite(value).all():
        raise Invalid(f"output {name} has NaN or infinite values")
    return value


class Setpoints:
    """Normalised numbers to setpoints: the plausibility check, un-normalising, and the measured position for deltas.

    All but the last may have been done on the device: `decoded`.
    """

    def __init__(self, manifest: Manifest) -> None:
        action = manifest.action
        self._output = action.output
        self._shape = (1, action.horizon, len(action.names))
        self._names = action.names
        self._kind = action.normalisation.kind
        self._unnormalise = Unnormalise(action.normalisation)
        self._relative = is_delta(action)
        self._chained = action.chained
        self._is_joints = action.space == "joints"

    def decoded(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded | None:
        """Return the setpoints of actions that come with their verdict, `DecodeNode.made`; None if there is none.

        Raises:
            Invalid: the verdict, or it is not what a verdict is.
        """
        if self._output + VERDICTS not in outputs:
            return None
        numbers = read(outputs, self._output + VERDICTS, (1, VERDICT.itemsize // 4), "i")
        if reason := why(numbers.astype(np.int32).view(VERDICT)[0, 0], self._names):
            raise Invalid(reason)
        return self._placed(read_finite(outputs, self._output + ACTIONS, self._shape)[0], state_rad)

    def __call__(self, normalised: NDArray[np.float32], state_rad: NDArray[np.float64]) -> Decoded:
        """Return the setpoints of (horizon, dimensions) finite normalised numbers.

        Raises:
            Invalid: a number is further out than believable, or its action is beyond float32.
        """
        far = np.abs(normalised)
        if far.max() > FARTHEST[self._kind]:
            row, column = np.unravel_index(far.argmax(), far.shape)
            raise Invalid(
                f"row {row}, {self._names[column]}: {normalised[row, column]:.3g} {UNITS[self._kind]}; "
                f"at most {FARTHEST[self._kind]:g} are believed"
            )
        actions = self._unnormalise(normalised)
        if not np.isfinite(actions).all():
            raise Invalid("an un-normalised action is too large for float32")
        return self._placed(actions, state_rad)

    def _placed(self, actions: NDArray[np.float32], state_rad: NDArray[np.float64]) -> Decoded:
        rows = actions.astype(np.float64)
        if not self._is_joints:
            return Decoded(rows, True)
        return Decoded(to_absolute(rows, state_rad, self._relative, chained=self._chained), True)
