"""Actions as tokens, one a number: OpenVLA, RoboVLMs' discrete head, RT-1, RT-2.

Upstream trusts the network to answer with action ids, and clips what it answers instead to an end of the range: full
deflection (openvla, prismatic/vla/action_tokenizer.py; RoboVLMs, robovlms/model/policy_head/action_tokenizer.py). Here
the chunk is invalid when the network's first choice among *all* ids is not an action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.config.policy_families import WITH_STOP
from edgevla.policy.decode.base import Decoded, Invalid, Setpoints, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle


class TokensDecoder:
    """Ids, or the best of the logits, to setpoints. Logits of any width: what lies behind the vocabulary is no action.

    With a `stop_id` every RT step is one token longer: first comes the stop token. Said in any step, stop ends the
    instruction.
    """

    def __init__(self, bundle: Bundle) -> None:
        action, tokens = bundle.manifest.action, bundle.manifest.tokens
        assert tokens is not None, "a checked manifest has its family's section"
        self._output = action.output
        self._setpoints = Setpoints(bundle.manifest)
        self._first = tokens.first_id
        self._values = token_values(tokens.style, tokens.bins)
        self._logits = tokens.logits
        self._stop_id, self._stop_ids = tokens.stop_id, tokens.stop_ids
        self._steps = action.horizon
        self._dimensions = len(action.names)
        self._tokens_per_step = tokens.step_length(self._dimensions)

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode logits (1, horizon * tokens a step, vocabulary) or ids (1, horizon * tokens a step)."""
        try:
            if (decoded := self._setpoints.decoded(outputs, state_rad)) is not None:
                return decoded
            steps = self._ids(outputs).reshape(self._steps, self._tokens_per_step)
            if self._stop_id is not None and self._says_stop(steps[:, 0]):
                return Decoded.finished(state_rad, self._steps)
            numbers = steps[:, self._tokens_per_step - self._dimensions :]
            return self._setpoints(self._values[numbers - self._first], state_rad)
        except Invalid as invalid:
            return Decoded.invalid(str(invalid))

    def _ids(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        count = self._steps * self._tokens_per_step
        if self._logits:
            return best_ids(read(outputs, self._output, (1, count, None))[0], self._first, len(self._values))
        ids: NDArray[np.int64] = read(outputs, self._output, (1, count), "i")[0]
        check_ids(ids, self._first, len(self._values))
        return ids

    def _says_stop(self, ids: NDArray[np.int64]) -> bool:
        first, second = self._stop_ids
        if not np.isin(ids, self._stop_ids).all():
            raise Invalid(f"the stop token is {ids.tolist()}; it means something only as {first} or {second}")
        return bool((ids == self._stop_id).any())


def token_values(style: str, bins: int) -> NDArray[np.float32]:
    """Return (bins,) the normalised number, -1..1, that each action id stands for, from the lowest id on.

    OpenVLA and RoboVLMs: falling, the middles between `bins` edges; that is one fewer than there are ids, so the two
    lowest ids both stand for the highest action. RT-1: rising, token / (bins - 1) of the way from -1 to 1, ends
    included; RT-2 says that it does as RT-1 did.
    """
    if style in WITH_STOP:
        numbers = np.arange(bins, dtype=np.float64) / (bins - 1) * 2.0 - 1.0
    else:
        edges = np.linspace(-1.0, 1.0, bins)
        middles = (edges[:-1] + edges[1:]) / 2.0
        numbers = middles[np.minimum(np.arange(bins)[::-1], bins - 2)]
    return numbers.astype(np.float32)


def best_ids(logits: NDArray[np.floating[Any]], first: int, count: int) -> NDArray[np.int64]:
    """Return (tokens,) the greedy choice of each row of (tokens, vocabulary) logits, the lowest id on a tie.

    Args:
        logits: float32 or float16.
        first: lowest id that is an action.
        count: how many ids from there on are.

    Raises:
        Invalid: a row has a NaN or no finite maximum, or its best id is not an action.
    """
    exact = logits.astype(np.float32, copy=False)  # NumPy converts float16 faster than it searches it
    ids: NDArray[np.int64] = exact.argmax(-1)  # of a row with NaN: the first NaN
    best = np.take_along_axis(exact, ids[:, np.newaxis], -1)[:, 0]
    if not np.isfinite(best).all():
        token = int(np.argmin(np.isfinite(best)))
        raise Invalid(f"token {token}: its logits have a NaN, or their largest is {best[token]}")
    check_ids(ids, first, count)
    return ids


def check_ids(ids: NDArray[np.int64], first: int, count: int) -> None:
    """Compare ids with the action ids first … first + count - 1.

    Raises:
        Invalid: one is another.
    """
    strange = (ids < first) | (ids >= first + count)
    if strange.any():
        token = int(strange.argmax())
        raise Invalid(f"token {token} is {ids[token]}; actions are {first} to {first + count - 1}")
