# mypy: disallow-subclassing-any=False
"""The student: a small convolutional policy that is told what to look for.

Front picture (1, 3, 96, 96) in 0..1, normalised joint positions (1, 6) and word ids (1, 8) go in; normalised joint
deltas (1, 12, 6), relative to the measured positions, come out. The sentence, read by one transformer layer,
modulates the convolutions (FiLM), so that the keypoints are those of the block that was named.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgevla.distill.sentences import LENGTH
from edgevla.sim.expert import HORIZON

JOINTS = 6
IMAGE_PX = 96
_WORD = 64
_HEADS = 4
_CHANNELS = 32
_KEYPOINTS = 32
_HIDDEN = 320


class Reader(nn.Module):
    """Words to one vector: embeddings, places, one attention block, mean over the words."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, _WORD, padding_idx=0)
        self.place = nn.Parameter(0.1 * torch.randn(LENGTH, _WORD))
        self.before = nn.LayerNorm(_WORD)
        self.query_key_value = nn.Linear(_WORD, 3 * _WORD)
        self.merge = nn.Linear(_WORD, _WORD)
        self.think = nn.Sequential(
            nn.LayerNorm(_WORD), nn.Linear(_WORD, 2 * _WORD), nn.GELU(), nn.Linear(2 * _WORD, _WORD)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, 8) ids to (batch, 64)."""
        there = (tokens > 0).to(torch.float32)
        x = self.embed(tokens) + self.place
        parts = self.query_key_value(self.before(x)).reshape(-1, LENGTH, 3, _HEADS, _WORD // _HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        score = query @ key.transpose(-1, -2) * (_WORD // _HEADS) ** -0.5
        score = score - 1e4 * (1.0 - there)[:, None, None, :]
        read = (score.softmax(-1) @ value).transpose(1, 2).reshape(-1, LENGTH, _WORD)
        x = x + self.merge(read)
        x = x + self.think(x)
        weight = there / there.sum(1, keepdim=True)
        return (x * weight[:, :, None]).sum(1)


class Modulated(nn.Module):
    """A 3x3 convolution whose channels the sentence scales and shifts."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm = nn.GroupNorm(8, channels_out)
        self.film = nn.Linear(_WORD, 2 * channels_out)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """(batch, in, h, w) and (batch, 64) to (batch, out, h, w)."""
        scale, shift = self.film(words)[:, :, None, None].chunk(2, dim=1)
        return functional.relu(self.norm(self.convolve(x)) * (1.0 + scale) + shift)


class Eye(nn.Module):
    """A picture and a sentence to the places of keypoints in the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 6, stride=4, padding=1)
        self.first = Modulated(32, _CHANNELS)
        self.second = Modulated(_CHANNELS, _CHANNELS)
        self.heat = nn.Conv2d(_CHANNELS, _KEYPOINTS, 1)
        line = torch.linspace(-1.0, 1.0, IMAGE_PX // 4)
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2))

    def forward(self, picture: Tensor, words: Tensor) -> Tensor:
        """(batch, 3, 96, 96) and (batch, 64) to (batch, 64) coordinates in -1..1."""
        x = functional.relu(self.stem(picture - 0.5))
        x = self.second(self.first(x, words), words)
        heat = self.heat(x).flatten(2).softmax(-1)
        return (heat @ self.grid).flatten(1)


class Policy(nn.Module):
    """The whole student.

    `block` is a second answer for training only, where the named block is, which teaches the eye what words mean
    long before plans would; it is not exported.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.reader = Reader(words)
        self.eye = Eye()
        self.block = nn.Linear(2 * _KEYPOINTS, 2)
        self.head = nn.Sequential(
            nn.Linear(2 * _KEYPOINTS + _WORD + JOINTS, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, HORIZON * JOINTS),
        )

    def answers(self, front: Tensor, state: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Deltas (batch, 12, 6), normalised, and the named block's place (batch, 2), in units of 0.1 m."""
        words = self.reader(tokens)
        seen = self.eye(front, words)
        deltas = self.head(torch.cat([seen, words, state], 1)).reshape(-1, HORIZON, JOINTS)
        return deltas, self.block(seen)

    def forward(self, front: Tensor, state: Tensor, tokens: Tensor) -> Tensor:
        """Deltas only: what is exported."""
        return self.answers(front, state, tokens)[0]
