"""Observation to Chunk: preprocess, run, decode, with the time of each."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from edgevla.bundle import BundleError
from edgevla.engine.base import EngineFailed
from edgevla.engine.recurrent import RecurrentEngine
from edgevla.messages import Chunk, StageTimes
from edgevla.policy.decode import decoder_of
from edgevla.policy.decode.base import Decoded
from edgevla.policy.errors import InputRefused
from edgevla.policy.iterate import DenoisingEngine
from edgevla.policy.language import language_of
from edgevla.policy.preprocess import Preprocessor, cameras_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.bundle import Bundle
    from edgevla.engine.base import Engine
    from edgevla.messages import Observation
    from edgevla.policy.end_effector import EndEffector
    from edgevla.policy.execution.execution import Execution

_GAP_INTERVALS = 1.5  # between two observations of a policy that remembers: with a frame missing it is 2 or more


class Policy:
    """A bundle's graph with everything around it. Used from one thread.

    A chunk depends on its observation and its number only, unless the policy remembers. A recurrent one does: then it
    depends on the unbroken row of observations before it too, which come at `action.rate_hz`. The row breaks, and the
    policy forgets, with another instruction, a missing frame, a clock that goes back, an invalid chunk, and `reset`.
    What `execution` remembers it forgets by rules of its own, and with `reset`.

    Args:
        engine: runs the bundle's graphs.
        execution: joins each chunk to those before it; None sends it as it is.
        end_effector: turns the decoder's rows into joints, for a policy whose actions move an end effector.
        clock: CLOCK_MONOTONIC seconds, or simulated time.

    Raises:
        BundleError: the actions move an end effector and nothing turns them into joints, or a file is broken.
        PluginUnknown: nobody knows the bundle's family.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        *,
        execution: Execution | None = None,
        end_effector: EndEffector | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if bundle.manifest.action.space == "end_effector" and end_effector is None:
            raise BundleError(
                f"{bundle.folder}: its actions move an end effector, which only a robot's kinematics turn into joints",
                fix="a bundle alone cannot run: give a robot.yaml with workspace.model, the MJCF file of the arm",
            )
        self.manifest = bundle.manifest
        self.cameras = cameras_of(bundle.manifest)
        self.engine = engine
        self._language = language_of(bundle)
        self._preprocess = Preprocessor(bundle.manifest, self._language)
        self._decoder = decoder_of(bundle)
        self._execution = execution
        self._end_effector = end_effector
        self._gap_s = _GAP_INTERVALS / bundle.manifest.action.rate_hz
        self._before: tuple[float, str] | None = None
        self._clock = clock

    def check_instruction(self, text: str) -> None:
        """Refuse a sentence before anything is planned for it.

        Raises:
            InstructionError: empty, too long, or with an unknown word.
        """
        self._language.encode(text)

    def reset(self) -> None:
        """Forget every observation and plan. Call it where the past no longer counts: the arm is engaged anew."""
        self._forget()
        if self._execution is not None:
            self._execution.reset()

    def act(self, observation: Observation, seq: int) -> Chunk:
        """Return the plan for what the robot sees, or an invalid chunk with the reason; it never guesses.

        Bad data (an image or state of another shape, NaN, an unknown word, an engine that fails) makes an invalid chunk
        and leaves the policy usable. Stages that were not reached count 0 ms.
        """
        times_s = [self._clock()]
        if not self._continues(observation):
            self._forget()
        try:
            inputs = self._preprocess(observation, seq)
            times_s.append(self._clock())
            self._guide(observation)
            outputs = self.engine.run(inputs)
            times_s.append(self._clock())
            decoded = self._decoder.decode(outputs, observation.state_rad)
            if self._end_effector is not None:
                decoded = self._end_effector(decoded, observation.state_rad)
        except (InputRefused, EngineFailed) as error:
            decoded = Decoded.invalid(str(error))
        decoded = decoded.if_finite() if self._execution is None else self._execution.finish(decoded)
        if decoded.valid:
            self._before = (observation.t_obs_s, observation.instruction)
        else:
            self._forget()
        times_s.append(self._clock())
        spans_ms = [1e3 * (end - start) for start, end in pairwise(times_s)]
        return Chunk(
            seq=seq,
            t_obs_s=observation.t_obs_s,
            rate_hz=self.manifest.action.rate_hz,
            actions_rad=tuple(map(tuple, decoded.actions_rad.tolist())),
            valid=decoded.valid,
            reason=decoded.reason,
            done=decoded.done,
            instruction=observation.instruction,
            stages=StageTimes(
                capture_ms=1e3 * (times_s[0] - observation.t_obs_s),
                **dict(zip(("preprocess_ms", "engine_ms", "decode_ms"), spans_ms, strict=False)),
            ),
        )

    def _guide(self, observation: Observation) -> None:
        """Draw the denoising loop to the plan that is being played, if the execution asks for it."""
        if self._execution is None:
            return
        guidance = self._execution.begin(observation)
        if isinstance(self.engine, DenoisingEngine):
            self.engine.guide = guidance

    def _continues(self, observation: Observation) -> bool:
        if self._before is None:
            return False
        t_obs_s, instruction = self._before
        return observation.instruction == instruction and 0.0 < observation.t_obs_s - t_obs_s <= self._gap_s

    def _forget(self) -> None:
        self._before = None
        if isinstance(self.engine, RecurrentEngine):
            self.engine.reset()
