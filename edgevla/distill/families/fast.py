"""The fast family: the chunk's discrete cosine transform in byte pairs, one token after another, as pi0-FAST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.config.policy_families import Fast
from edgevla.config.quantisation import Quantisation
from edgevla.distill.byte_pairs import CHARACTERS, BytePairTokenizer
from edgevla.distill.encoder import JOINTS
from edgevla.distill.families.base import Graph, Parts, Range, action_of
from edgevla.distill.families.speller import Speller, spelling
from edgevla.distill.sentences import vocabulary
from edgevla.policy.decode.dct import inverse_basis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.distill.batches import Statistics
    from edgevla.distill.features import Features
    from edgevla.distill.student import Encoder

HORIZON = 8
TOKENIZER = "tokenizer.json"
_SCALE = 25.0
_MIN_TOKEN = -CHARACTERS // 2
_TOKENS = 384
_LEARNED_FROM, _ENCODED = 1500, 40_000  # labels; writing one as byte pairs takes most of a millisecond
_SPARE_TOKENS = 4
_HIDDEN = 96  # both variants together stay below 3 MB
# One pair said otherwise moves several numbers at once, and those after it: errors are rare and large.
_BUDGET = Quantisation(mean_rad=0.015, p99_rad=0.10, worst_rad=0.50, gripper_flips=0.05)
_BATCH = 128
_MISHEARD = 0.02


class FastFamily:
    """See `Family`.

    Some of the labels are written as tokens once, and drawn from then on.
    """

    kind = "fast"

    def __init__(self, features: Features, statistics: Statistics) -> None:
        self._range = Range(features, statistics, HORIZON)
        rng = np.random.default_rng(0)
        views, count = features.deltas.shape[:2]
        self._view, self._row = rng.integers(views, size=_ENCODED), rng.integers(count, size=_ENCODED)
        texts = self._texts(features.deltas[self._view, self._row])
        self._tokenizer = BytePairTokenizer.learn(texts[:_LEARNED_FROM].tolist(), _TOKENS)
        self._end_id = len(vocabulary())  # the words keep their ids; the end and the byte pairs come after them
        self._size = self._end_id + 1 + len(self._tokenizer)
        self._ids = self._written(texts)
        self._fast = Fast(
            tokenizer=TOKENIZER,
            vocabulary_size=self._size,
            skipped_tokens=0,
            scale=_SCALE,
            min_token=_MIN_TOKEN,
            max_tokens=self._ids.shape[1] + _SPARE_TOKENS,
            end_id=self._end_id,
        )

    def head(self) -> nn.Module:
        """See `Family.head`."""
        length = torch.zeros(self._size, dtype=torch.int64)
        length[self._size - 1 - torch.arange(len(self._tokenizer))] = torch.tensor(self._tokenizer.lengths)
        return Speller(self._size, HORIZON * JOINTS, length, _HIDDEN)

    def loss(self, head: nn.Module, features: Features, rng: np.random.Generator) -> Tensor:
        """See `Family.loss`."""
        drawn = rng.integers(len(self._ids), size=_BATCH)
        feature = torch.from_numpy(features.feature[self._view[drawn], self._row[drawn]].astype(np.float32))
        ids = self._ids[drawn]
        there = (ids == self._end_id).int().cumsum(1) - (ids == self._end_id).int() == 0  # up to the first end
        heard = torch.where(torch.rand(ids.shape) < _MISHEARD, torch.randint(self._size, ids.shape), ids)
        logits = head(feature, ids, heard)
        return functional.cross_entropy(logits[there], ids[there])

    def graphs(self, encoder: Encoder, head: nn.Module, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph | None]:
        """See `Family.graphs`."""
        assert isinstance(head, Speller), "its own head"
        return spelling(encoder, head, shown)

    def parts(self) -> Parts:
        """See `Family.parts`."""
        action = action_of("answer", HORIZON, self._range.normalisation)
        return Parts(action, {"fast": self._fast, "quantisation": _BUDGET}, {TOKENIZER: self._tokenizer.to_json()})

    def _texts(self, deltas: NDArray[np.float32]) -> NDArray[np.int64]:
        """(n, 48) characters: the coefficients by rising frequency, of each frequency all joints."""
        coefficients = np.einsum("tk,ntj->nkj", inverse_basis(HORIZON), self._range(deltas).astype(np.float64))
        characters = np.rint(coefficients * _SCALE).astype(np.int64) - _MIN_TOKEN
        texts: NDArray[np.int64] = np.clip(characters, 0, CHARACTERS - 1).reshape(len(deltas), -1)
        return texts

    def _written(self, texts: NDArray[np.int64]) -> Tensor:
        """(n, longest) ids, each text ended and filled up with the end."""
        written = [self._tokenizer.encode(text) for text in texts.tolist()]
        ids = torch.full((len(written), 1 + max(map(len, written))), self._end_id)
        for row, tokens in zip(ids, written, strict=True):
            row[: len(tokens)] = self._size - 1 - torch.tensor(tokens)
        return ids
