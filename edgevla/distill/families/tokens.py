# mypy: disallow-subclassing-any=False
"""The tokens family: each number of the chunk as one of 256 bins.

OpenVLA's way, one token after another; and RT-2's, with a token that says whether the instruction is carried out. RT-2
too says its tokens one after another; here all of them are said at once (parallel decoding, as OpenVLA-OFT showed it to
work), so that both forms the decoder takes are in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.config.policy_families import Tokens
from edgevla.distill.encoder import JOINTS
from edgevla.distill.families.base import Graph, Parts, Range, Seen, action_of
from edgevla.distill.families.speller import Speller, spelling
from edgevla.distill.sentences import vocabulary
from edgevla.distill.student import FEATURE
from edgevla.policy.decode.tokens import token_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from edgevla.distill.batches import Statistics
    from edgevla.distill.features import Features
    from edgevla.distill.student import Encoder

HORIZON = 6  # 0.5 s: the runtime looks again after 0.1 s
BINS = 256
_BATCH = 96
_WIDTH_BINS = 1.0  # standard deviation of the bins that are taught, around the teacher's number
_MISHEARD = 0.1  # share of tokens that the head is told wrongly, by a few bins
_MISHEARD_BINS = 6
_DONE_SHARE = 0.05
_EMBEDDED = 96
_WIDTH = 160
_HIDDEN = 128


def _tokens(style: str, stop: bool) -> Tokens:
    """The words keep their ids; the bins come after them."""
    words = len(vocabulary())
    stop_id = words if stop else None
    return Tokens(style=style, vocabulary_size=words + BINS, stop_id=stop_id)  # type: ignore[arg-type]


class _Bins:
    """Targets over the bins of a style."""

    def __init__(self, tokens: Tokens, scale: Range) -> None:
        self.tokens, self._scale = tokens, scale
        values = torch.from_numpy(token_values(tokens.style, tokens.bins))
        self.values = values
        self._used = torch.ones(tokens.bins)
        self._used[1:][values[1:] == values[:-1]] = 0.0  # of two ids for one number upstream says the lower
        self._width = _WIDTH_BINS * float((values[-1] - values[0]).abs()) / (tokens.bins - 1)

    def numbers(self, deltas: Tensor) -> Tensor:
        """(batch, 12, 6) to (batch, 36) in -1..1."""
        return torch.from_numpy(self._scale(deltas.numpy())).flatten(1)

    def target(self, numbers: Tensor) -> Tensor:
        """(..., 256) probabilities around (...) numbers."""
        near = torch.exp(-0.5 * ((numbers[..., None] - self.values) / self._width).square()) * self._used
        return near / near.sum(-1, keepdim=True)

    def ids(self, numbers: Tensor) -> Tensor:
        """The ids of the bins nearest to (...) numbers."""
        off = (numbers[..., None] - self.values).abs() + 10.0 * (1.0 - self._used)
        return off.argmin(-1) + self.tokens.first_id

    def loss(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Cross entropy of (batch, n, vocabulary) logits against (batch, n) numbers, (batch, n)."""
        said = logits.log_softmax(-1)[..., self.tokens.first_id :]
        return -(self.target(numbers) * said).sum(-1)


class OpenVlaFamily:
    """See `Family`."""

    kind = "tokens"

    def __init__(self, features: Features, statistics: Statistics) -> None:
        self._range = Range(features, statistics, HORIZON)
        self._bins = _Bins(_tokens("openvla", stop=False), self._range)

    def head(self) -> nn.Module:
        """See `Family.head`."""
        size = self._bins.tokens.vocabulary_size
        return Speller(size, HORIZON * JOINTS, torch.ones(size, dtype=torch.int64), _HIDDEN)

    def loss(self, head: nn.Module, features: Features, rng: np.random.Generator) -> Tensor:
        """See `Family.loss`."""
        drawn = features.draw(_BATCH, rng)
        numbers = self._bins.numbers(drawn.deltas)
        ids = self._bins.ids(numbers)
        wrong = torch.randint(-_MISHEARD_BINS, _MISHEARD_BINS + 1, ids.shape) * (torch.rand(ids.shape) < _MISHEARD)
        first = self._bins.tokens.first_id
        heard = (ids + wrong).clamp(first, first + BINS - 1)
        return self._bins.loss(head(drawn.feature, ids, heard), numbers).mean()

    def graphs(self, encoder: Encoder, head: nn.Module, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph | None]:
        """See `Family.graphs`."""
        assert isinstance(head, Speller), "its own head"
        return spelling(encoder, head, shown)

    def parts(self) -> Parts:
        """See `Family.parts`."""
        return Parts(action_of("answer", HORIZON, self._range.normalisation), {"tokens": self._bins.tokens})


class AtOnce(nn.Module):
    """All tokens at once: the feature, scaled and shifted by what each token stands for, then one classifier."""

    def __init__(self, count: int, vocabulary_size: int) -> None:
        super().__init__()
        self.of_feature = nn.Linear(FEATURE, _WIDTH)
        self.place = nn.Parameter(torch.randn(count, _EMBEDDED))
        self.modulate = nn.Linear(_EMBEDDED, 2 * _WIDTH)
        self.say = nn.Sequential(
            nn.Linear(_WIDTH, _WIDTH),
            nn.ReLU(),
            nn.Linear(_WIDTH, _WIDTH),
            nn.ReLU(),
            nn.Linear(_WIDTH, vocabulary_size),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """(batch, 320) to logits (batch, tokens, vocabulary)."""
        scale, shift = self.modulate(self.place).chunk(2, dim=1)
        each = functional.relu(self.of_feature(feature)[:, None] * scale + shift)
        logits: Tensor = self.say(each)
        return logits


class Rt2Family:
    """See `Family`."""

    kind = "tokens"

    def __init__(self, features: Features, statistics: Statistics) -> None:
        self._range = Range(features, statistics, HORIZON)
        self._bins = _Bins(_tokens("rt2", stop=True), self._range)

    def head(self) -> nn.Module:
        """See `Family.head`."""
        tokens = self._bins.tokens
        return AtOnce(HORIZON * tokens.step_length(JOINTS), tokens.vocabulary_size)

    def loss(self, head: nn.Module, features: Features, rng: np.random.Generator) -> Tensor:
        """See `Family.loss`."""
        drawn = features.draw(_BATCH, rng, done_share=_DONE_SHARE)
        logits = head(drawn.feature).unflatten(1, (HORIZON, -1))
        numbers = self._bins.numbers(drawn.deltas).unflatten(1, (HORIZON, JOINTS))
        motion = self._bins.loss(logits[:, :, 1:], numbers) * ~drawn.done[:, None, None]
        go, stop = reversed(self._bins.tokens.stop_ids)  # the lower id is stop
        said = torch.where(drawn.done, stop, go)[:, None].expand(-1, HORIZON)
        return motion.mean() + functional.cross_entropy(logits[:, :, 0].flatten(0, 1), said.flatten())

    def graphs(self, encoder: Encoder, head: nn.Module, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph | None]:
        """See `Family.graphs`."""
        return Graph(Seen(encoder, head), shown, ("answer",)), None

    def parts(self) -> Parts:
        """See `Family.parts`."""
        return Parts(action_of("answer", HORIZON, self._range.normalisation), {"tokens": self._bins.tokens})
