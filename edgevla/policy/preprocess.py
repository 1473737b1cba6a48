"""An observation to the graph's inputs: each is filled from the source that policy.yaml names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.policy.errors import InputRefused
from edgevla.policy.normalise import MeanStd
from edgevla.policy.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest, TensorSpec
    from edgevla.messages import Observation
    from edgevla.policy.language import Vocabulary

CAMERA = "camera:"


class Preprocessor:
    """Fills every input that a checked manifest names."""

    def __init__(self, manifest: Manifest, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._joints = len(manifest.state.mean)
        self._statistics = MeanStd(manifest.state)
        self._fill = {spec.name: self._filler(spec) for spec in manifest.inputs}

    def __call__(self, observation: Observation) -> Mapping[str, NDArray[Any]]:
        """Return the graph's inputs by name; images are overwritten by the next call.

        Raises:
            InputRefused: an image or the state is missing, of another shape, or not finite.
            InstructionError: the sentence is not one this policy can be given.
        """
        return {name: fill(observation) for name, fill in self._fill.items()}

    def _filler(self, spec: TensorSpec) -> Callable[[Observation], NDArray[Any]]:
        if spec.source == "state":
            return self._state
        if spec.source == "instruction":
            return lambda observation: self._vocabulary.encode(observation.instruction)
        camera, picture = spec.source.removeprefix(CAMERA), Picture(*spec.shape[2:])
        return lambda observation: picture(image_of(observation, camera))

    def _state(self, observation: Observation) -> NDArray[np.float32]:
        state_rad = observation.state_rad
        if state_rad.shape != (self._joints,):
            raise InputRefused(f"the state has shape {state_rad.shape}, the policy takes ({self._joints},)")
        if not np.isfinite(state_rad).all():
            raise InputRefused(f"the state is not finite: {state_rad.tolist()}")
        return self._statistics.normalise(state_rad)[np.newaxis].astype(np.float32)


def cameras_of(manifest: Manifest) -> tuple[str, ...]:
    """Name the cameras that the graph looks through."""
    return tuple(spec.source.removeprefix(CAMERA) for spec in manifest.inputs if spec.source.startswith(CAMERA))


def image_of(observation: Observation, camera: str) -> NDArray[np.uint8]:
    """Return the image of one camera.

    Raises:
        InputRefused: the observation has none.
    """
    image = observation.images.get(camera)
    if image is None:
        raise InputRefused(f"no image of camera {camera}; there are: {', '.join(observation.images) or 'none'}")
    return image
