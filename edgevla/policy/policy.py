"""Observation to Chunk: preprocess, run, decode, with the time of each."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from edgevla.engine.base import EngineFailed
from edgevla.messages import Chunk, StageTimes
from edgevla.policy.decode import decoder_of
from edgevla.policy.decode.base import Decoded
from edgevla.policy.errors import InputRefused
from edgevla.policy.language import Vocabulary
from edgevla.policy.preprocess import Preprocessor, cameras_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.bundle import Bundle
    from edgevla.engine.base import Engine
    from edgevla.messages import Observation


class Policy:
    """A bundle's graph with everything around it. Used from one thread.

    Args:
        engine: runs one of the bundle's graphs.
        clock: CLOCK_MONOTONIC seconds, or simulated time.

    Raises:
        PluginUnknown: nobody knows the bundle's family.
    """

    def __init__(self, bundle: Bundle, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        language = bundle.manifest.language
        entries = bundle.path(language.vocabulary).read_text(encoding="utf-8").splitlines()
        self.manifest = bundle.manifest
        self.cameras = cameras_of(bundle.manifest)
        self.engine = engine
        self._vocabulary = Vocabulary(entries, language.length)
        self._preprocess = Preprocessor(bundle.manifest, self._vocabulary)
        self._decoder = decoder_of(bundle.manifest)
        self._clock = clock

    def check_instruction(self, text: str) -> None:
        """Refuse a sentence before anything is planned for it.

        Raises:
            InstructionError: empty, too long, or with an unknown word.
        """
        self._vocabulary.encode(text)

    def act(self, observation: Observation, seq: int) -> Chunk:
        """Return the plan for what the robot sees, or an invalid chunk with the reason; it never guesses.

        Bad data (an image or state of another shape, NaN, an unknown word, an engine that fails) makes an invalid chunk
        and leaves the policy usable. Stages that were not reached count 0 ms.
        """
        times_s = [self._clock()]
        try:
            inputs = self._preprocess(observation)
            times_s.append(self._clock())
            outputs = self.engine.run(inputs)
            times_s.append(self._clock())
            decoded = self._decoder.decode(outputs, observation.state_rad)
        except (InputRefused, EngineFailed) as error:
            decoded = Decoded.invalid(str(error))
        times_s.append(self._clock())
        spans_ms = [1e3 * (end - start) for start, end in pairwise(times_s)]
        return Chunk(
            seq=seq,
            t_obs_s=observation.t_obs_s,
            rate_hz=self.manifest.action.rate_hz,
            actions_rad=tuple(map(tuple, decoded.actions_rad.tolist())),
            valid=decoded.valid,
            reason=decoded.reason,
            instruction=observation.instruction,
            stages=StageTimes(
                capture_ms=1e3 * (times_s[0] - observation.t_obs_s),
                **dict(zip(("preprocess_ms", "engine_ms", "decode_ms"), spans_ms, strict=False)),
            ),
        )
