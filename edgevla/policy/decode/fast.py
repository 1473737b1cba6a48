"""pi0-FAST: language tokens to byte pairs to DCT coefficients to actions.

openpi, src/openpi/models/tokenizer.py `FASTTokenizer.extract_actions`, and `UniversalActionProcessor.decode` of the
tokenizer physical-intelligence/fast. Upstream answers every failure with zeros, which un-normalise to the middle of the
range; here each makes the chunk invalid. Upstream also goes through text and back; here ids stay ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.bundle import BundleError
from edgevla.policy.decode.base import Decoded, Invalid, Setpoints, read
from edgevla.policy.decode.byte_pairs import BytePairs
from edgevla.policy.decode.dct import inverse, inverse_basis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle


class FastDecoder:
    """Ids of the language model (1, tokens), padded with anything behind their end, to setpoints.

    The actions stand between `begin_ids`, with which the answer must begin, and `bar_id` or `end_id`. An id stands for
    the action token vocabulary_size - 1 - skipped_tokens - id.

    Raises:
        BundleError: the tokenizer cannot be read, or its tokens do not fit into the language model's vocabulary.
    """

    def __init__(self, bundle: Bundle) -> None:
        action, fast = bundle.manifest.action, bundle.manifest.fast
        assert fast is not None, "a checked manifest has its family's section"
        self._output = action.output
        self._shape = (action.horizon, len(action.names))
        self._setpoints = Setpoints(bundle.manifest)
        self._pairs = BytePairs.load(bundle.path(fast.tokenizer))
        self._fast = fast
        self._last_id = fast.vocabulary_size - 1 - fast.skipped_tokens
        self._basis = inverse_basis(action.horizon)
        if self._last_id + 1 < self._pairs.size:
            raise BundleError(
                f"{bundle.path(fast.tokenizer)}: has {self._pairs.size} tokens; a vocabulary of "
                f"{fast.vocabulary_size} holds {max(0, self._last_id + 1)} before {fast.skipped_tokens} skipped ones",
                fix="take the tokenizer.json that the policy was trained with, or set fast.vocabulary_size",
            )

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode the (1, tokens) ids, see `Decoder.decode`."""
        try:
            ids = read(outputs, self._output, (1, None), "i")[0]
            coefficients = self._coefficients(self._action_tokens(ids.tolist()))
            return self._setpoints(inverse(coefficients / self._fast.scale, self._basis), state_rad)
        except Invalid as invalid:
            return Decoded.invalid(str(invalid))

    def _action_tokens(self, ids: list[int]) -> list[int]:
        fast = self._fast
        if len(ids) > fast.max_tokens:
            raise Invalid(f"the answer has {len(ids)} tokens, policy.yaml says at most {fast.max_tokens}")
        begin = len(fast.begin_ids)
        if tuple(ids[:begin]) != fast.begin_ids:
            raise Invalid(f"the answer begins with {ids[:begin]}, actions with {list(fast.begin_ids)}")
        end = next((place for place in range(begin, len(ids)) if ids[place] in (fast.bar_id, fast.end_id)), None)
        if end is None:
            raise Invalid(f"the answer does not end within its {len(ids)} tokens")
        for place, number in enumerate(ids[begin:end], start=begin):
            if not 0 <= self._last_id - number < self._pairs.size:
                least = self._last_id - self._pairs.size + 1
                raise Invalid(f"token {place} is {number}; actions are {least} to {self._last_id}")
        return [self._last_id - number for number in ids[begin:end]]

    def _coefficients(self, tokens: list[int]) -> NDArray[np.float64]:
        text, (horizon, dimensions) = self._pairs.text(tokens), self._shape
        if len(text) != horizon * dimensions:
            raise Invalid(
                f"the {len(tokens)} action tokens hold {len(text)} coefficients, not {horizon} x {dimensions}"
            )
        numbers = np.array([ord(letter) for letter in text], np.float64) + self._fast.min_token
        return numbers.reshape(self._shape)
