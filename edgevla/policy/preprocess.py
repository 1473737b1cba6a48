"""An observation to the graph's inputs: each is filled from the source that policy.yaml names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.policy.decode.noise import NOISE_KEY, noise_key
from edgevla.policy.errors import InputRefused
from edgevla.policy.normalise import Normalise
from edgevla.policy.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest, TensorSpec
    from edgevla.messages import Observation
    from edgevla.policy.language import Language

CAMERA = "camera:"


class Preprocessor:
    """Fills every input that a checked manifest names."""

    def __init__(self, manifest: Manifest, language: Language) -> None:
        self._language = language
        self._joints = len(manifest.joints)
        self._normalise = Normalise(manifest.state)
        self._fill = {spec.name: self._filler(spec) for spec in manifest.inputs}
        section = manifest.flow or manifest.diffusion
        self._seed = None if section is None else section.seed

    def __call__(self, observation: Observation, seq: int) -> Mapping[str, NDArray[Any]]:
        """Return the inputs of the policy's engine by name; images are overwritten by the next call.

        A policy that denoises also gets its noise key, by the chunk's number `seq`: the same chunk, the same noise.

        Raises:
            InputRefused: an image or the state is missing, of another shape, or not finite.
            InstructionError: the sentence is not one this policy can be given.
        """
        self._check_state(observation.state_rad)
        inputs = {name: fill(observation) for name, fill in self._fill.items()}
        if self._seed is not None:
            inputs[NOISE_KEY] = noise_key(self._seed, seq)
        return inputs

    def _filler(self, spec: TensorSpec) -> Callable[[Observation], NDArray[Any]]:
        if spec.source == "state":
            return partial(self._state, spec.shape[1])
        if spec.source == "instruction":
            return self._words
        camera, picture = spec.source.removeprefix(CAMERA), Picture(*spec.shape[2:])
        return lambda observation: picture(image_of(observation, camera))

    def _check_state(self, state_rad: NDArray[np.float64]) -> None:
        """Also where no input shows it to the network: deltas are added to it, and kinematics start from it."""
        if state_rad.shape != (self._joints,):
            raise InputRefused(f"the state has shape {state_rad.shape}, the policy takes ({self._joints},)")
        if not np.isfinite(state_rad).all():
            raise InputRefused(f"the state is not finite: {state_rad.tolist()}")

    def _words(self, observation: Observation) -> NDArray[np.int64]:
        state = self._normalise(observation.state_rad).astype(np.float32)
        return self._language.encode(observation.instruction, state)

    def _state(self, width: int, observation: Observation) -> NDArray[np.float32]:
        state = np.zeros((1, width), np.float32)  # a padded model is shown zeros behind the normalised joints
        state[0, : self._joints] = self._normalise(observation.state_rad)
        return state


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
