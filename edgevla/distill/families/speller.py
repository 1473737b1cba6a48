# mypy: disallow-subclassing-any=False
"""A head that says one token after another, each knowing those before it: a gated recurrent unit over embeddings.

It stands where a language model stands in OpenVLA and pi0-FAST; the loop around its two graphs is
`edgevla/policy/autoregress.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgevla.distill.families.base import Graph
from edgevla.distill.student import FEATURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.distill.student import Encoder

_SQUEEZED = 96
_EMBEDDED = 64


class Speller(nn.Module):
    """Tokens of a vocabulary, at places.

    Args:
        vocabulary: how many tokens there are.
        places: how many places there are; a token is said at a place, which says what it stands for.
        length: (vocabulary,) how many places each token fills.
        hidden: width of what it remembers.
    """

    def __init__(self, vocabulary: int, places: int, length: Tensor, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, _EMBEDDED)
        self.place = nn.Embedding(places + 1, _EMBEDDED)
        self.squeeze = nn.Sequential(nn.Linear(FEATURE, _SQUEEZED), nn.ReLU())
        self.begin = nn.Linear(_SQUEEZED, hidden)
        self.of_feature = nn.Linear(_SQUEEZED, 3 * hidden)
        self.of_token = nn.Linear(2 * _EMBEDDED, 3 * hidden)
        self.of_hidden = nn.Linear(hidden, 3 * hidden)
        self.say = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, vocabulary))
        self.last, self.hidden = places, hidden
        self.register_buffer("length", length)

    def start(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """What to remember before the first token (batch, hidden), and what to know at each (batch, 3 * hidden)."""
        squeezed = self.squeeze(feature)
        return self.begin(squeezed).tanh(), self.of_feature(squeezed)

    def listen(self, token: Tensor, place: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        """What to remember after a (batch,) token; the next one stands at (batch,) `place`."""
        said = torch.cat([self.embed(token), self.place(place)], 1)
        reset, keep, new = (self.of_token(said) + context).chunk(3, dim=1)
        old_reset, old_keep, old_new = self.of_hidden(hidden).chunk(3, dim=1)
        kept = (keep + old_keep).sigmoid()
        return (1.0 - kept) * (new + (reset + old_reset).sigmoid() * old_new).tanh() + kept * hidden

    def after(self, token: Tensor, place: Tensor) -> Tensor:
        """The (batch,) place that follows a token at a place; behind the end it stays the last."""
        return (place + self.length[token]).clamp(max=self.last)

    def forward(self, feature: Tensor, tokens: Tensor, heard: Tensor) -> Tensor:
        """Logits (batch, length, vocabulary) of (batch, length) tokens, when each is told those before it.

        Args:
            feature: (batch, 320).
            tokens: what was said, which decides the places.
            heard: what it is told was said: the same, or with errors that it should get over.
        """
        hidden, context = self.start(feature)
        place = torch.zeros(len(tokens), dtype=torch.int64)
        states = [hidden]
        for index in range(tokens.shape[1] - 1):
            place = self.after(tokens[:, index], place)
            hidden = self.listen(heard[:, index], place, hidden, context)
            states.append(hidden)
        logits: Tensor = self.say(torch.stack(states, 1))
        return logits


class _First(nn.Module):
    def __init__(self, encoder: nn.Module, speller: Speller) -> None:
        super().__init__()
        self.encoder, self.speller = encoder, speller

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        hidden, context = self.speller.start(self.encoder(*inputs))
        return self.speller.say(hidden), hidden, context, torch.zeros(1, dtype=torch.int64)


class _Next(nn.Module):
    def __init__(self, speller: Speller) -> None:
        super().__init__()
        self.speller = speller

    def forward(
        self, token: Tensor, step: Tensor, hidden: Tensor, context: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        place = self.speller.after(token[0], place + 0 * step)
        hidden = self.speller.listen(token[0], place, hidden, context)
        return self.speller.say(hidden), hidden, place


def spelling(encoder: Encoder, speller: Speller, shown: Mapping[str, Tensor]) -> tuple[Graph, Graph]:
    """The graph of the first token, and the one of each further token."""
    inputs = {
        "token": torch.zeros(1, 1, dtype=torch.int64),
        "step": torch.zeros(1, dtype=torch.int64),
        "hidden": torch.randn(1, speller.hidden).tanh(),
        "context": torch.randn(1, 3 * speller.hidden),
        "place": torch.zeros(1, dtype=torch.int64),
    }
    return (
        Graph(_First(encoder, speller), shown, ("logits", "hidden", "context", "place")),
        Graph(_Next(speller), inputs, ("logits", "hidden_next", "place_next")),
    )
